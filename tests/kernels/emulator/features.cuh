// Put in the place of its #include line.
#pragma once

__device__ int from_a_header() {
    return 7;
}
