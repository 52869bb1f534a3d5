"""Set-up of all tests: one BLAS thread, as in training; two wait for each other on busy cores."""

import threadpoolctl

threadpoolctl.threadpool_limits(1, user_api="blas")
