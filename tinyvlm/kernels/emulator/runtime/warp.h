// Warp shuffles, votes and sums: every lane hands in a value, the last one to come computes all
// results.
#pragma once

#define EMULATED_RESOLVE inline __attribute__((no_sanitize("thread"))) void

namespace emulated {
EMULATED_RESOLVE resolve_nothing(void **, unsigned) {}

template <class T>
struct Shuffle {
    T given, result;
    int source;  // the lane whose value is wanted
};

template <class T>
EMULATED_RESOLVE resolve_shuffle(void **lanes, unsigned mask) {
    for (int lane = 0; lane < 32; lane++) {
        auto *mine = static_cast<Shuffle<T> *>(lanes[lane]);
        if (!mine) continue;
        auto *source = static_cast<Shuffle<T> *>(lanes[mine->source]);
        if (!source) {
            char detail[96];
            snprintf(detail, sizeof detail, "lane %d reads lane %d, which mask 0x%08x leaves out",
                     lane, mine->source, mask);
            emulator_fail("warp collective", detail, nullptr);
        }
        mine->result = source->given;
    }
}

template <class T>
__attribute__((always_inline)) inline T shuffle(unsigned mask, T value, int source) {
    Shuffle<T> mine = {value, value, source & 31};
    emulator_collective(mask, &mine, resolve_shuffle<T>);
    return mine.result;
}

struct Vote {
    int given;
    unsigned result;
};

EMULATED_RESOLVE resolve_vote(void **lanes, unsigned) {
    unsigned votes = 0;
    for (int lane = 0; lane < 32; lane++)
        if (lanes[lane] && static_cast<Vote *>(lanes[lane])->given) votes |= 1u << lane;
    for (int lane = 0; lane < 32; lane++)
        if (lanes[lane]) static_cast<Vote *>(lanes[lane])->result = votes;
}

template <class T>
struct Match {
    T given;
    unsigned result;  // the lanes with the same value
};

template <class T>
EMULATED_RESOLVE resolve_match(void **lanes, unsigned) {
    for (int lane = 0; lane < 32; lane++) {
        auto *mine = static_cast<Match<T> *>(lanes[lane]);
        if (!mine) continue;
        mine->result = 0;
        for (int i = 0; i < 32; i++) {
            auto *other = static_cast<Match<T> *>(lanes[i]);
            if (other && memcmp(&other->given, &mine->given, sizeof(T)) == 0)
                mine->result |= 1u << i;
        }
    }
}

template <class T>
struct Reduction {
    T value;
};

#define EMULATED_REDUCTION(name, update)                                                     \
    template <class T>                                                                       \
    EMULATED_RESOLVE resolve_##name(void **lanes, unsigned) {                                \
        bool first = true;                                                                   \
        T all{};                                                                             \
        for (int lane = 0; lane < 32; lane++) {                                              \
            if (!lanes[lane]) continue;                                                      \
            T value = static_cast<Reduction<T> *>(lanes[lane])->value;                       \
            all = first ? value : (update);                                                  \
            first = false;                                                                   \
        }                                                                                    \
        for (int lane = 0; lane < 32; lane++)                                                \
            if (lanes[lane]) static_cast<Reduction<T> *>(lanes[lane])->value = all;          \
    }
EMULATED_REDUCTION(add, all + value)
EMULATED_REDUCTION(min, (value < all ? value : all))
EMULATED_REDUCTION(max, (value > all ? value : all))
EMULATED_REDUCTION(and, all & value)
EMULATED_REDUCTION(or, all | value)
EMULATED_REDUCTION(xor, all ^ value)
}  // namespace emulated

EMULATED_INLINE void __syncwarp(unsigned mask = 0xffffffffu) {
    int nothing = 0;
    emulator_collective(mask, &nothing, emulated::resolve_nothing);
}

// Lanes form groups of `width`; a shuffle that leaves its group returns the caller's own value.
template <class T>
__attribute__((always_inline)) inline T __shfl_sync(unsigned mask, T value, int source,
                                                    int width = 32) {
    int first = emulated_thread->lane & ~(width - 1);
    return emulated::shuffle(mask, value, first + (source & (width - 1)));
}

template <class T>
__attribute__((always_inline)) inline T __shfl_xor_sync(unsigned mask, T value, int flip,
                                                        int width = 32) {
    int lane = emulated_thread->lane, source = lane ^ flip;
    bool inside = (source & ~(width - 1)) <= (lane & ~(width - 1));
    return emulated::shuffle(mask, value, inside ? source : lane);
}

template <class T>
__attribute__((always_inline)) inline T __shfl_down_sync(unsigned mask, T value, unsigned by,
                                                         int width = 32) {
    int lane = emulated_thread->lane, step = static_cast<int>(by);
    bool inside = (lane & (width - 1)) + step < width;
    return emulated::shuffle(mask, value, inside ? lane + step : lane);
}

template <class T>
__attribute__((always_inline)) inline T __shfl_up_sync(unsigned mask, T value, unsigned by,
                                                       int width = 32) {
    int lane = emulated_thread->lane, step = static_cast<int>(by);
    bool inside = (lane & (width - 1)) >= step;
    return emulated::shuffle(mask, value, inside ? lane - step : lane);
}

EMULATED_INLINE unsigned __ballot_sync(unsigned mask, int predicate) {
    emulated::Vote vote = {predicate, 0};
    emulator_collective(mask, &vote, emulated::resolve_vote);
    return vote.result;
}

EMULATED_INLINE int __any_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, predicate) != 0;
}

EMULATED_INLINE int __all_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, !predicate) == 0;
}

// Which lanes run together is nobody's promise: here, as CUDA allows, each runs by itself.
EMULATED_INLINE unsigned __activemask() {
    return 1u << emulated_thread->lane;
}

template <class T>
__attribute__((always_inline)) inline unsigned __match_any_sync(unsigned mask, T value) {
    emulated::Match<T> match = {value, 0};
    emulator_collective(mask, &match, emulated::resolve_match<T>);
    return match.result;
}

template <class T>
__attribute__((always_inline)) inline unsigned __match_all_sync(unsigned mask, T value, int *all) {
    unsigned present = __ballot_sync(mask, 1);
    *all = __match_any_sync(mask, value) == present;
    return *all ? present : 0;
}

#define EMULATED_REDUCE(name)                                                                \
    template <class T>                                                                       \
    __attribute__((always_inline)) inline T __reduce_##name##_sync(unsigned mask, T value) { \
        emulated::Reduction<T> reduction = {value};                                          \
        emulator_collective(mask, &reduction, emulated::resolve_##name<T>);                  \
        return reduction.value;                                                              \
    }
EMULATED_REDUCE(add)
EMULATED_REDUCE(min)
EMULATED_REDUCE(max)
EMULATED_REDUCE(and)
EMULATED_REDUCE(or)
EMULATED_REDUCE(xor)
