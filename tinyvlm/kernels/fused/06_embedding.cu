// Rung 6, embedding backward: row i of dtable is the sum of the rows of dy whose id is i.
//
// ids (n) int32, dy (n, D), dtable (V, D) float32, which comes in as zeros; n = 40, V = 10, D = 70.
// Improves on: np.add.at, one row after the other. Two ways, of which the second is reproducible:
//   embedding_backward_atomic  every row is added where it belongs, in whatever order blocks come
//   embedding_backward_sorted  order (n) int32 sorts the ids: a block finds the run of one id and
//                              adds its rows up in registers, in order, and writes once
// Launch: embedding_backward_atomic  block 128, grid (n): one block a row of dy
//   embedding_backward_sorted: the same; only blocks that stand at the beginning of a run go on.
// Architecture: any.
//
//   ids[order]   2  2  2 | 5 | 7  7          dtable
//                ^         ^   ^             row 2  <- dy[order[0]] + dy[order[1]] + dy[order[2]]
//                block 0   3   4             row 5  <- dy[order[3]]
//
// An id outside 0..V-1 is passed over; Python refuses it before.

extern "C" __global__ void embedding_backward_atomic(const int *ids, const float *dy, float *dtable,
                                                     int V, int D) {
    int id = ids[blockIdx.x];
    if (id < 0 || id >= V) return;
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        atomicAdd(&dtable[(long long)id * D + d], dy[(long long)blockIdx.x * D + d]);
    }
}

extern "C" __global__ void embedding_backward_sorted(const int *ids, const int *order,
                                                     const float *dy, float *dtable, int n, int V,
                                                     int D) {
    int begin = blockIdx.x, id = ids[order[begin]];
    if (id < 0 || id >= V) return;
    if (begin > 0 && ids[order[begin - 1]] == id) return;  // the run began before
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float sum = 0.0f;
        for (int i = begin; i < n && ids[order[i]] == id; i++) {
            sum += dy[(long long)order[i] * D + d];
        }
        dtable[(long long)id * D + d] = sum;
    }
}
