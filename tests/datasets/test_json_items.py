"""Items of a big JSON file: the same as json.loads finds, and where they stand, at any chunk."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyvlm.datasets import json_items as module
from tinyvlm.datasets.json_items import json_items
from tinyvlm.errors import InputError

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=4), VALUES | st.lists(VALUES, max_size=4), max_size=4)


def flat(document):
    for key, value in document.items():
        if isinstance(value, list):
            yield from ((key, number, item) for number, item in enumerate(value))
        else:
            yield key, -1, value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    document=DOCUMENTS,
    chunk=st.sampled_from([1, 2, 7, 1 << 20]),
    indent=st.sampled_from([None, 0, 3]),
    escaped=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_any_document_at_any_chunk(tmp_path, document, chunk, indent, escaped, mark):
    path = tmp_path / "any.json"
    data = mark + json.dumps(document, indent=indent, ensure_ascii=escaped).encode()
    path.write_bytes(data + b" \r\n\t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = list(json_items(path))
    assert [(item.key, item.number, item.value) for item in found] == list(flat(document))
    for item in found:
        assert json.loads(data[item.start : item.stop]) == item.value


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "some.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_one_after_the_other(write, monkeypatch):
    """What stands before the broken place is handed out, and nothing behind a window is held."""
    monkeypatch.setattr(module, "CHUNK", 64)
    path = write('{"a": [' + ", ".join(f'{{"id": {i}}}' for i in range(1000)) + ", oops]}")
    items = json_items(path)
    assert [next(items).value["id"] for _ in range(1000)] == list(range(1000))
    with pytest.raises(InputError, match=r"some\.json' is no valid JSON, broken or cut short at"):
        next(items)


def test_the_window_stays_small(write, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1000)
    longest = []
    read_more = module.Window.read_more

    def measured(self, amount):
        read_more(self, amount)
        longest.append(len(self.text))

    monkeypatch.setattr(module.Window, "read_more", measured)
    assert len(list(json_items(write(json.dumps({"a": [[i] * 20 for i in range(5000)]}))))) == 5000
    assert max(longest) < 3000
    assert len(longest) > 100


@pytest.mark.parametrize(
    "content",
    [
        '{"a": [1, 2}',
        '{"a": [1, 2]',
        '{"a": [1, 2]} x',
        '{"a": [1, 2],}',
        '{"a": [1, 2,]}',
        '{"a": [,]}',
        '{"a" [1]}',
        '{"a": }',
        '{"a": [{"b": "c]}',
        '{"a": ["x\ny"]}',
        "{1: 2}",
        "{",
        '{"a"',
        '{"a":',
        '{"a": [',
        '{"a": 1',
        '{"a": [1' + "0" * 10_000 + "]}",
        '{"a": [' + "[" * 100_000,
        '{"a": ' + '{"b": ' * 100_000,
    ],
)
def test_broken(write, content):
    with pytest.raises(InputError, match="is no valid JSON, broken or cut short at byte") as error:
        list(json_items(write(content)))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", ["", "[1]", "hello", "1", "null", "PK\x03\x04", " "])
def test_no_object(write, content):
    with pytest.raises(InputError, match=r"some\.json' is no JSON object of lists; check which"):
        list(json_items(write(content)))


@pytest.mark.parametrize("content", [b'{"a": ["\xff"]}', b'{"a": ["\xc3"]}'])
def test_not_utf8(write, content):
    with pytest.raises(InputError, match="is not UTF-8 text"):
        list(json_items(write(content)))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        list(json_items(write('{"a": [1]}'.encode("utf-16"))))


def test_an_item_without_end_is_not_read_for_ever(write, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10_000)
    monkeypatch.setattr(module, "CHUNK", 1000)
    path = write('{"a": ["' + "x" * 1_000_000 + '"]}')
    sizes = []
    monkeypatch.setattr(
        module.Window,
        "read_more",
        lambda self, amount, old=module.Window.read_more: (sizes.append(amount), old(self, amount)),
    )
    with pytest.raises(InputError, match="broken or cut short"):
        list(json_items(path))
    assert sum(sizes) < 50_000
