"""Pictures: every kind of file comes out right or gives one line; resizing; augmentation."""

import errno
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from tinyvlm import images
from tinyvlm.errors import InputError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(autouse=True)
def no_warning_leaks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def photo(Y=40, X=60, seed=0):
    """Smooth enough for JPEG, different in every corner."""
    y, x = np.mgrid[0:Y, 0:X]
    wave = np.random.default_rng(seed).uniform(0.05, 0.2, 3)
    channels = [127 + 120 * np.sin(w * (x + 2 * y) + c) for c, w in enumerate(wave)]
    return np.rint(np.stack(channels, axis=2)).astype(np.uint8)  # (Y, X, 3)


def write(path, image, **options):
    """Save an array or a Pillow picture and return its path."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def png(width, height, depth, color, scanlines, *extra):
    """A PNG by hand; color 0 grey, 2 RGB, 3 palette; `extra` are (kind, bytes) before the data."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def bmp_header(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def one_line(error):
    message = str(error.value)
    assert message
    assert message.isprintable(), message  # no line break, no control character, no lone surrogate
    return message


# What works


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "tiff", "ppm", "PNG"])
def test_lossless_formats_come_back_exactly(tmp_path, extension):
    image = photo()
    path = write(tmp_path / f"a.{extension}", image)
    loaded = images.load(path)
    assert loaded.dtype == np.uint8
    assert loaded.flags.writeable
    assert loaded.flags.c_contiguous
    np.testing.assert_array_equal(loaded, image)
    np.testing.assert_array_equal(images.load(str(path)), image)


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_lossy_formats_come_back_closely(tmp_path, extension):
    image = photo()
    loaded = images.load(write(tmp_path / f"a.{extension}", image, quality=95))
    assert np.abs(loaded.astype(int) - image).mean() < 4


def test_the_content_decides_not_the_extension(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    write(path, photo(), format="PNG")
    np.testing.assert_array_equal(images.load(path), photo())


def test_grey_and_one_bit(tmp_path):
    grey = photo()[:, :, 0]
    loaded = images.load(write(tmp_path / "l.png", grey))
    np.testing.assert_array_equal(loaded, np.repeat(grey[:, :, None], 3, axis=2))
    bits = Image.fromarray(grey).convert("1")
    loaded = images.load(write(tmp_path / "1.png", bits))
    np.testing.assert_array_equal(loaded[:, :, 1], np.asarray(bits) * 255)
    assert set(np.unique(loaded)) == {0, 255}


def test_one_pixel(tmp_path):
    loaded = images.load(write(tmp_path / "dot.png", Image.new("RGB", (1, 1), GREEN)))
    np.testing.assert_array_equal(loaded, [[GREEN]])


def test_transparent_pixels_lie_on_white(tmp_path):
    rgba = np.array([[(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)]], np.uint8)
    loaded = images.load(write(tmp_path / "rgba.png", rgba))
    np.testing.assert_array_equal(loaded, [[RED, WHITE, (127, 127, 127)]])
    la = Image.fromarray(rgba).convert("LA")
    loaded = images.load(write(tmp_path / "la.png", la))
    np.testing.assert_array_equal(loaded, [[(76,) * 3, WHITE, (127,) * 3]])


def test_palette_with_and_without_transparency(tmp_path):
    palette = Image.new("P", (3, 1))
    palette.putpalette([*RED, *GREEN, *BLUE])
    palette.putdata([0, 1, 2])
    loaded = images.load(write(tmp_path / "p.png", palette))
    np.testing.assert_array_equal(loaded, [[RED, GREEN, BLUE]])
    loaded = images.load(write(tmp_path / "key.png", palette, transparency=1))
    np.testing.assert_array_equal(loaded, [[RED, WHITE, BLUE]])
    loaded = images.load(write(tmp_path / "bytes.png", palette, transparency=b"\xff\x80\x00"))
    np.testing.assert_array_equal(loaded, [[RED, (127, 255, 127), WHITE]])
    loaded = images.load(write(tmp_path / "p.gif", palette, transparency=2))
    np.testing.assert_array_equal(loaded, [[RED, GREEN, WHITE]])


def test_a_colour_key_is_transparent_too(tmp_path):
    key = (b"tRNS", struct.pack(">HHH", *GREEN))
    (tmp_path / "rgb.png").write_bytes(png(2, 1, 8, 2, bytes([0, *RED, *GREEN]), key))
    np.testing.assert_array_equal(images.load(tmp_path / "rgb.png"), [[RED, WHITE]])
    key = (b"tRNS", struct.pack(">H", 9))
    (tmp_path / "l.png").write_bytes(png(2, 1, 8, 0, bytes([0, 9, 50]), key))
    np.testing.assert_array_equal(images.load(tmp_path / "l.png"), [[WHITE, (50,) * 3]])


def test_cmyk_and_adobes_inverted_cmyk(tmp_path):
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, :16] = (0, 255, 255, 0)  # magenta and yellow print red
    inks[:, 16:32] = (255, 0, 255, 0)
    loaded = images.load(write(tmp_path / "cmyk.tif", Image.fromarray(inks, "CMYK")))
    np.testing.assert_array_equal(loaded[8, [8, 24, 40]], [RED, GREEN, WHITE])
    path = write(tmp_path / "cmyk.jpg", Image.fromarray(inks, "CMYK"), quality=100)
    with Image.open(path) as picture:
        assert picture.mode == "CMYK"
    loaded = images.load(path)
    assert np.abs(loaded[8, [8, 24, 40]].astype(int) - [RED, GREEN, WHITE]).max() < 12


@pytest.mark.parametrize("extension", ["png", "tif", "pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, extension):
    grey = np.array([[0, 128, 129, 255, 257], [25700, 32896, 40000, 65406, 65535]], np.uint16)
    path = tmp_path / f"a.{extension}"
    if extension == "pgm":
        path.write_bytes(b"P5 5 2 65535\n" + grey.astype(">u2").tobytes())
    else:
        write(path, grey)
    loaded = images.load(path)
    want = np.rint(grey / 257.0).astype(np.uint8)
    np.testing.assert_array_equal(loaded, np.repeat(want[:, :, None], 3, axis=2))


def test_16_bit_big_endian_tiff_and_16_bit_colour(tmp_path):
    data = struct.pack(">HH", 257 * 3, 65535)
    tags = [(256, 2), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    tags.append((279, len(data)))
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    directory = struct.pack(">H", len(tags)) + entries + bytes(4)
    offset = struct.pack(">I", 8 + len(data))
    (tmp_path / "be.tif").write_bytes(b"MM\x00*" + offset + data + directory)
    np.testing.assert_array_equal(images.load(tmp_path / "be.tif")[0, :, 0], [3, 255])
    scanline = b"\x00" + struct.pack(">6H", 65535, 0, 257 * 7, 0, 65535, 0)
    (tmp_path / "rgb48.png").write_bytes(png(2, 1, 16, 2, scanline))
    np.testing.assert_array_equal(images.load(tmp_path / "rgb48.png"), [[(255, 0, 7), GREEN]])


@pytest.mark.parametrize("extension", ["gif", "webp", "png", "tif"])
def test_an_animation_gives_its_first_frame(tmp_path, extension):
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if extension == "webp" else {}
    path = tmp_path / f"moving.{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as picture:
        assert len(list(ImageSequence.Iterator(picture))) == 3
    np.testing.assert_array_equal(images.load(path), np.full((3, 4, 3), RED, np.uint8))


TURNED = {  # EXIF orientation: how the stored picture becomes upright
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation(tmp_path, orientation, extension):
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = images.load(write(tmp_path / f"plain.{extension}", photo()))
    turned = images.load(write(tmp_path / f"turned.{extension}", photo(), exif=exif))
    np.testing.assert_array_equal(turned, TURNED[orientation](plain))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_damaged_exif_leaves_the_picture(tmp_path, exif):
    plain = images.load(write(tmp_path / "plain.jpg", photo()))
    path = write(tmp_path / "a.jpg", photo(), exif=exif)
    np.testing.assert_array_equal(images.load(path), plain)


def test_a_damaged_tag_beside_the_orientation(tmp_path):
    """Writing this EXIF back, as ImageOps.exif_transpose does, raises struct.error."""
    tags = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack(">HHII", 0, 5, 1, 38)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + tags + struct.pack(">III", 0, 72, 1)
    plain = images.load(write(tmp_path / "plain.jpg", photo()))
    loaded = images.load(write(tmp_path / "a.jpg", photo(), exif=exif))
    np.testing.assert_array_equal(loaded, TURNED[6](plain))


def test_an_orientation_that_cannot_be_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", photo())

    def fail(self):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(images.Image.Image, "getexif", fail)
    np.testing.assert_array_equal(images.load(path), photo())


def test_a_turned_palette_keeps_its_transparency(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *GREEN])
    palette.putdata([0, 1])
    path = write(tmp_path / "a.png", palette, transparency=1, exif=exif)
    np.testing.assert_array_equal(images.load(path), [[WHITE], [RED]])


# What is refused


def test_missing_and_not_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nothing.jpg", tmp_path / "file" / "a.jpg", ""):
        with pytest.raises(InputError, match="does not exist; check the path") as error:
            images.load(path)
        assert repr(str(path)) in one_line(error)
    with pytest.raises(InputError, match="is a folder; name a picture") as error:
        images.load(tmp_path)
    one_line(error)
    for path in ("a\0b.jpg", "x" * 5000):
        with pytest.raises(InputError, match="can't be opened") as error:
            images.load(path)
        one_line(error)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        images.load(tmp_path / "pipe.jpg")


def test_no_permission(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", photo())

    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(images.Image, "open", refuse)
    with pytest.raises(InputError, match=r"a\.png' can't be opened \(Permission denied\)") as error:
        images.load(path)
    one_line(error)


@pytest.mark.parametrize(
    "content",
    [b"hello, not a picture\n", b"\0" * 1000, b"\xff\xd8", b"%!PS-Adobe EPS", b"<svg></svg>"],
)
def test_not_a_picture(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a picture that can be read") as error:
        images.load(path)
    assert "JPEG, PNG" in one_line(error)


def test_empty_file(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png' is empty \(0 bytes\)") as error:
        images.load(tmp_path / "empty.png")
    one_line(error)


@pytest.mark.parametrize(
    "name", ["two\nlines.png", "bell\a.png", b"byte\xff.png".decode("utf-8", "surrogateescape")]
)
def test_any_name_gives_one_printable_line(tmp_path, name):
    with pytest.raises(InputError) as error:
        images.load(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "bmp", "tif", "webp", "ppm"])
def test_cut_in_half(tmp_path, extension):
    path = write(tmp_path / f"a.{extension}", photo())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is damaged or cut short") as error:
        images.load(path)
    assert f"a.{extension}'" in one_line(error)


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "bmp", "webp", "ppm"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_a_picture_or_one_line(tmp_path, extension, data):
    good = tmp_path / f"good.{extension}"
    if not good.exists():
        write(good, photo(12, 9))
    content = bytearray(good.read_bytes())
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[place] = byte
    cut = data.draw(st.integers(1, len(content)))
    path = tmp_path / f"damaged.{extension}"
    path.write_bytes(content[:cut])
    try:
        loaded = images.load(path)
    except InputError as error:
        assert "damaged." in str(error)
        assert str(error).isprintable()
    else:
        assert loaded.dtype == np.uint8
        assert loaded.shape[2:] == (3,)
        assert loaded.size > 0


@pytest.mark.parametrize("side", [8001, 10_000, 20_000, 60_000])
@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "ppm"])
def test_a_huge_claim_is_refused_from_the_header(tmp_path, kind, side):
    """There are no pixels in these files: decoding would call them cut short."""
    path = tmp_path / f"huge.{kind}"
    gif = b"GIF89a" + struct.pack("<HHBBB", side, side, 0, 0, 0)
    gif += b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x08\x01\x00\x00;"
    content = {
        "png": png(side, side, 8, 2, b""),
        "bmp": bmp_header(side, side),
        "gif": gif,
        "ppm": b"P6 %d %d 255\n" % (side, side),
    }
    path.write_bytes(content[kind])
    with pytest.raises(InputError, match="has more than 64,000,000 pixels; make it") as error:
        images.load(path)
    one_line(error)


def test_the_limit_itself_is_allowed(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", photo(40, 60))
    monkeypatch.setattr(images, "MAX_PIXELS", 2400)
    assert images.load(path).shape == (40, 60, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 2399)
    with pytest.raises(InputError, match="2,399 pixels"):
        images.load(path)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bit_pixels_are_refused(tmp_path, dtype):
    path = write(tmp_path / "a.tif", np.full((2, 2), 70_000, dtype))
    with pytest.raises(InputError, match="save it with 8 or 16 bits") as error:
        images.load(path)
    one_line(error)


def test_a_user_who_lifted_pillows_own_limit_still_has_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(images.Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "huge.bmp").write_bytes(bmp_header(20_000, 20_000))
    with pytest.raises(InputError, match="pixels"):
        images.load(tmp_path / "huge.bmp")


# Saving


@pytest.mark.parametrize("name", ["a.png", "b.BMP", "c.tiff"])
def test_save_and_load(tmp_path, name):
    images.save(photo()[::-1], tmp_path / name)  # not contiguous
    np.testing.assert_array_equal(images.load(tmp_path / name), photo()[::-1])
    images.save(photo(seed=1), tmp_path / name)
    np.testing.assert_array_equal(images.load(tmp_path / name), photo(seed=1))
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.gif"])
def test_save_lossy(tmp_path, name):
    images.save(photo(), tmp_path / name)
    assert images.load(tmp_path / name).shape == (40, 60, 3)


def test_save_refuses(tmp_path):
    for name in ("a.txt", "a", ".png"):
        with pytest.raises(InputError, match=r"end its name in \.png or \.jpg") as error:
            images.save(photo(), tmp_path / name)
        one_line(error)
    with pytest.raises(InputError, match="can't be written") as error:
        images.save(photo(), tmp_path / "no_such_folder" / "a.png")
    one_line(error)
    with pytest.raises(TypeError, match="uint8, got float64"):
        images.save(photo() / 255, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"\(Y, X, 3\), got \(40, 60\)"):
        images.save(photo()[:, :, 0], tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    images.save(photo(), tmp_path / "a.png")

    def fill_up(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images.Image.Image, "save", fill_up)
    with pytest.raises(InputError, match="No space left on device") as error:
        images.save(photo(seed=1), tmp_path / "a.png")
    one_line(error)
    assert os.listdir(tmp_path) == ["a.png"]
    np.testing.assert_array_equal(images.load(tmp_path / "a.png"), photo())


# Resizing


def test_resize_squashes_with_pillows_filters():
    image = photo(40, 60)
    for method, filter_ in images.METHODS.items():
        want = np.asarray(Image.fromarray(image).resize((16, 16), filter_))
        np.testing.assert_array_equal(images.resize(image, 16, method), want)
    assert images.resize(image, (10, 20)).shape == (10, 20, 3)
    np.testing.assert_array_equal(images.resize(image, (40, 60)), image)


def test_bicubic_is_antialiased():
    """Black and white columns shrunk eight times are grey; without antialias they alias."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = images.resize(stripes, 8)
    assert np.abs(small.astype(int) - 127.5).max() < 5  # the filter is cut at the border


@pytest.mark.parametrize(
    ("shape", "size", "want"),
    [
        ((375, 500), 224, (224, 298)),  # 224 * 500 / 375 = 298.67, rounded down
        ((500, 375), 224, (298, 224)),
        ((3, 7), 224, (224, 522)),
        ((224, 224), 224, (224, 224)),
        ((1, 1), 5, (5, 5)),
        ((32, 33), 32, (32, 33)),
    ],
)
def test_resize_shorter_rounds_as_clip(shape, size, want):
    image = photo(*shape)
    small = images.resize_shorter(image, size)
    assert small.shape == (*want, 3)
    filter_ = Image.Resampling.BICUBIC
    np.testing.assert_array_equal(
        small, np.asarray(Image.fromarray(image).resize(want[::-1], filter_))
    )


def test_center_crop_floors():
    image = photo(9, 12)
    np.testing.assert_array_equal(images.center_crop(image, 4), image[2:6, 4:8])
    np.testing.assert_array_equal(images.center_crop(image, 9), image[:, 1:10])
    with pytest.raises(ValueError, match="9 x 12 is smaller than 10; resize it"):
        images.center_crop(image, 10)


def test_to_square(rng):
    image = photo(375, 500)
    want = images.resize_shorter(image, 224)[:, 37:261]
    np.testing.assert_array_equal(images.to_square(image, 224), want)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(images.to_square(image, 32), image)
    np.testing.assert_array_equal(
        images.to_square(image[:1, :1], 3), image[:1, :1].repeat(3, 0).repeat(3, 1)
    )


def test_a_line_is_not_blown_up_until_memory_ends():
    with pytest.raises(InputError, match="1 x 2000 would become 224 x 448000") as error:
        images.to_square(np.zeros((1, 2000, 3), np.uint8), 224)
    one_line(error)


def test_resize_teaches():
    with pytest.raises(ValueError, match="'cubic' is none of nearest, box"):
        images.resize(photo(), 8, "cubic")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        images.resize(photo(), 0)
    for operation in (images.resize, images.resize_shorter, images.center_crop):
        with pytest.raises(TypeError, match=f"{operation.__name__}: image must be uint8"):
            operation(photo().astype(np.float32), 8)
        with pytest.raises(ValueError, match=f"{operation.__name__}: image must be"):
            operation(photo()[None], 8)


# The model's layout

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.0, 1.0), (CLIP_MEAN, CLIP_STD)])
def test_to_model_and_back(mean, std):
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    batch = np.concatenate([values, values[:, ::-1], values[:, :, ::-1]], axis=3)  # (1, 16, 16, 3)
    batch = np.concatenate([batch, batch.transpose(0, 2, 1, 3)])[:, :, :15]  # (2, 16, 15, 3)
    x = images.to_model(batch, mean, std)
    assert x.dtype == np.float32
    assert x.shape == (2, 3, 16, 15)
    assert x.flags.c_contiguous
    want = (batch / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(x, want.transpose(0, 3, 1, 2), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(images.from_model(x, mean, std), batch)


def test_to_model_reaches_both_ends_exactly():
    x = images.to_model(np.array([0, 255], np.uint8).reshape(1, 1, 2, 1))
    np.testing.assert_array_equal(x, [[[[-1, 1]]]])


def test_from_model_clips():
    x = np.array([-3.0, 0.0, 9.0], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(images.from_model(x), [[[[0, 128, 255]]]])


def test_the_model_layout_teaches():
    with pytest.raises(TypeError, match="to_model: images must be uint8, got float64"):
        images.to_model(photo()[None] / 255)
    with pytest.raises(ValueError, match=r"\(B, Y, X, C\), got \(40, 60, 3\)"):
        images.to_model(photo())
    with pytest.raises(ValueError, match=r"x must be \(B, C, Y, X\) float"):
        images.from_model(photo()[None])


# Augmentation


def flip(batch, rng):
    return images.random_flip(batch, rng)


def crop(batch, rng):
    return images.random_crop(batch, 2, rng)


def jitter(batch, rng):
    return images.color_jitter(batch, rng)


def batch_of(B, Y, X, dtype, seed=3):
    pixels = np.random.default_rng(seed).integers(0, 256, (B, Y, X, 3), dtype=np.uint8)
    return pixels if dtype == np.uint8 else (pixels / 255).astype(dtype)


@pytest.mark.parametrize("augment", [flip, crop, jitter])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(64, 8, 6), (1, 1, 1), (0, 5, 5), (3, 2, 9)])
def test_augmentations_keep_shape_dtype_and_input(augment, dtype, shape):
    batch = batch_of(*shape, dtype)
    before = batch.copy()
    changed = augment(batch, np.random.default_rng(0))
    assert changed.shape == batch.shape
    assert changed.dtype == dtype
    assert not np.shares_memory(changed, batch)
    np.testing.assert_array_equal(batch, before)
    again = augment(batch[:, ::-1][:, ::-1], np.random.default_rng(0))
    np.testing.assert_array_equal(again, changed)


@pytest.mark.parametrize("augment", [flip, crop, jitter])
def test_each_picture_has_its_own_draw(augment, rng):
    batch = np.repeat(batch_of(1, 9, 9, np.uint8), 200, axis=0)
    different = {picture.tobytes() for picture in augment(batch, rng)}
    assert len(different) == {flip: 2, crop: 25, jitter: len(different)}[augment]
    assert len(different) > 1
    assert augment is not jitter or len(different) > 190


def test_flip_mirrors_about_half(rng):
    batch = batch_of(400, 4, 5, np.uint8)
    flipped = images.random_flip(batch, rng)
    mirrored = (flipped == batch[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (flipped == batch).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_crop_is_a_window_of_the_mirrored_picture(rng):
    batch = batch_of(300, 7, 5, np.uint8)
    cropped = images.random_crop(batch, 2, rng)
    found = np.zeros((5, 5), int)
    for picture, window in zip(batch, cropped, strict=True):
        padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(padded[top : top + 7, left : left + 5], window)
        ]
        assert len(places) == 1
        found[places[0]] += 1
    assert (found > 0).all()  # every shift occurs, the extreme ones too
    np.testing.assert_array_equal(images.random_crop(batch, 0, rng), batch)


def jitter_step_by_step(x, b, c, s):
    """One picture (Y, X, 3) in float64, as the docstring says it."""
    grey = np.array([0.299, 0.587, 0.114])
    x = b * x
    x = c * x + (1 - c) * (x @ grey).mean()
    return s * x + (1 - s) * (x @ grey)[:, :, None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-6)])
def test_jitter_equals_its_three_steps(dtype, tolerance):
    batch = batch_of(6, 5, 4, dtype)
    changed = images.color_jitter(batch, np.random.default_rng(5), 0.3, 0.5, 2.0)
    low, high = [0.7, 0.5, 0.0], [1.3, 1.5, 3.0]
    rng = np.random.default_rng(5)
    b, c, s = rng.uniform(np.reshape(low, (3, 1)), np.reshape(high, (3, 1)), (3, 6))
    want = [jitter_step_by_step(x.astype(float), *f) for x, *f in zip(batch, b, c, s, strict=True)]
    assert np.min(want) < 0  # clipping is exercised at both ends
    assert np.max(want) > 1
    np.testing.assert_allclose(changed, np.clip(want, 0, 1), rtol=0, atol=tolerance)


def test_jitter_of_bytes_is_the_rounded_jitter_of_floats():
    batch = batch_of(8, 6, 6, np.uint8)
    changed = images.color_jitter(batch, np.random.default_rng(1))
    floats = images.color_jitter(batch / 255, np.random.default_rng(1)) * 255
    assert np.abs(changed - floats).max() < 0.501


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_each_strength_does_its_part(dtype, rng):
    batch = batch_of(16, 6, 6, dtype)
    np.testing.assert_array_equal(images.color_jitter(batch, rng, 0, 0, 0), batch)
    grey = np.repeat(batch[..., :1], 3, axis=3)
    saturated = images.color_jitter(grey, rng, 0, 0, 0.9)
    np.testing.assert_allclose(saturated, grey, rtol=0, atol=1e-6)  # grey has no colour to lose
    flat = np.broadcast_to(batch[:, :1, :1, :1], batch.shape).copy()
    contrasted = images.color_jitter(flat, rng, 0, 0.9, 0)
    np.testing.assert_allclose(contrasted, flat, rtol=0, atol=1e-6)  # nor a flat one contrast
    assert (images.color_jitter(flat, rng, 0.9, 0, 0) != flat).any()


def test_augmentations_teach(rng):
    for augment in (flip, crop, jitter):
        with pytest.raises(ValueError, match=r"images must be \(B, Y, X, C\)"):
            augment(photo(), rng)
        with pytest.raises(ValueError, match=r"images must be \(B, Y, X, C\)"):
            augment(photo()[None].transpose(0, 3, 1, 2), rng)  # the model's layout
        with pytest.raises(TypeError, match="got int64"):
            augment(photo()[None].astype(np.int64), rng)
    with pytest.raises(ValueError, match=r"\(B, Y, X, 3\)"):
        images.color_jitter(photo()[None, :, :, :1], rng)
