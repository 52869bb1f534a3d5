// Profile mode: how a warp's loads and stores meet the sectors of global and the banks of shared
// memory.
//
// A request is what the lanes of a warp ask for with one instruction. Here they run one after the
// other, so their accesses are put together again: the n-th time that a lane comes to an
// instruction since the last barrier or warp collective belongs to the n-th time of the others.
#include <map>
#include <tuple>
#include <unordered_map>

#include "state.h"

constexpr int SECTOR = 32;  // bytes: the least that global memory hands out
constexpr int BANKS = 32;   // shared memory gives one word of each bank at a time
constexpr int WORD = 4;     // bytes

struct Request {
    unsigned lanes;
    int bytes;  // of one lane
    uintptr_t address[32];
};

// One instruction of one warp, on one array, since the last barrier or collective.
struct Instruction {
    uint32_t barrier, step;
    uint32_t seen[32];  // how often each lane came by
    std::vector<Request> requests;
};

typedef std::tuple<const void *, int, int> Key;  // the instruction, what it does, the array's id

struct KeyHash {
    size_t operator()(const Key &key) const {
        auto pc = reinterpret_cast<uintptr_t>(std::get<0>(key));
        return pc * 31 + 8 * size_t(std::get<2>(key)) + std::get<1>(key);
    }
};

static std::unordered_map<Key, Instruction, KeyHash> instructions[MAX_THREADS / 32];
static std::map<Key, Counted> totals;
static std::vector<Counted> rows;

static void forget_profile() {
    for (auto &warp : instructions) warp.clear();
    totals.clear();
}

// How many different pieces of `size` bytes the lanes of a request touch.
static int pieces(const Request &request, unsigned lanes, uintptr_t size) {
    std::vector<uintptr_t> touched;
    for (int lane = 0; lane < 32; lane++) {
        if (!(request.lanes & lanes & 1u << lane)) continue;
        uintptr_t first = request.address[lane], last = first + request.bytes - 1;
        for (uintptr_t piece = first / size; piece <= last / size; piece++)
            touched.push_back(piece);
    }
    std::sort(touched.begin(), touched.end());
    return int(std::unique(touched.begin(), touched.end()) - touched.begin());
}

// How often the banks have to answer these lanes. A word that several lanes read is handed to all
// of them at once; an atomic operation takes its turn with every lane.
static int turns(const Request &request, unsigned lanes, bool atomic) {
    std::vector<uintptr_t> words;
    for (int lane = 0; lane < 32; lane++) {
        if (!(request.lanes & lanes & 1u << lane)) continue;
        uintptr_t first = request.address[lane], last = first + request.bytes - 1;
        for (uintptr_t word = first / WORD; word <= last / WORD; word++) words.push_back(word);
    }
    std::sort(words.begin(), words.end());
    if (!atomic) words.erase(std::unique(words.begin(), words.end()), words.end());
    int count[BANKS] = {};
    for (uintptr_t word : words) count[word % BANKS]++;
    return *std::max_element(count, count + BANKS);
}

// 8 bytes a lane are served to half a warp at a time, 16 bytes to a quarter.
static void count_shared(const Request &request, bool atomic, Counted *row) {
    int together = request.bytes >= 16 ? 8 : request.bytes == 8 ? 16 : 32;
    for (int first = 0; first < 32; first += together) {
        unsigned lanes = (together == 32 ? ~0u : (1u << together) - 1) << first;
        if (!(request.lanes & lanes)) continue;
        row->turns += turns(request, lanes, atomic);
        row->least_turns++;
    }
}

static void settle(const Key &key, Instruction *instruction) {
    int what = std::get<1>(key);
    Counted &row = totals[key];
    row.pc = offset_of(std::get<0>(key));
    row.what = what;
    row.array = std::get<2>(key);
    for (const Request &request : instruction->requests) {
        row.requests++;
        row.bytes += pieces(request, ~0u, 1);
        if (what >= SHARED_LOAD)
            count_shared(request, what == SHARED_ATOMIC, &row);
        else
            row.sectors += pieces(request, ~0u, SECTOR);
    }
    instruction->requests.clear();
    memset(instruction->seen, 0, sizeof instruction->seen);
}

// At the end of a block, whose next one uses the same memory for its own.
static void settle_all() {
    for (auto &warp : instructions) {
        for (auto &entry : warp) settle(entry.first, &entry.second);
        warp.clear();
    }
}

static void profile_piece(uintptr_t address, int bytes, const Key &key) {
    Instruction &mine = instructions[current->warp][key];
    uint32_t step = warp_step[current->warp];
    if (mine.barrier != barrier_step || mine.step != step) {
        settle(key, &mine);
        mine.barrier = barrier_step;
        mine.step = step;
    }
    uint32_t n = mine.seen[current->lane]++;
    if (n >= mine.requests.size()) mine.requests.resize(n + 1);
    Request &request = mine.requests[n];
    request.lanes |= 1u << current->lane;
    request.bytes = bytes;
    request.address[current->lane] = address;
}

// More than 16 bytes, a copied struct say, take several instructions.
static void profile_access(const char *address, int bytes, int what, int array, const void *pc) {
    auto start = reinterpret_cast<uintptr_t>(address);
    for (int done = 0; done < bytes; done += 16)
        profile_piece(start + done, std::min(16, bytes - done), {pc, what, array});
}

extern "C" int emulator_profile(const Counted **answer) {
    rows.clear();
    for (const auto &entry : totals) rows.push_back(entry.second);
    for (Counted &row : rows)
        if (row.what >= SHARED_LOAD) row.name = shared_arrays[row.array].name;
    *answer = rows.data();
    return int(rows.size());
}
