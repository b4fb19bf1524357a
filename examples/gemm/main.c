/* Calls gemm_512, which ftc made of gemm.ft, and compares it with three loops. */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gemm.h"

enum { N = 512, ROUNDS = 5 };

static float A[N][N], B[N][N], C[N][N];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The fastest of some calls, in seconds. */
static double call(void) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        int32_t status = gemm_512(&A[0][0], &B[0][0], &C[0][0]);
        best = fmin(best, now() - start);
        if (status != 0) {
            fprintf(stderr, "gemm_512 returned %d\n", (int)status);
            exit(2);
        }
    }
    return best;
}

/* The greatest difference from the definition, over every 7th row. */
static double difference(void) {
    double worst = 0;
    for (int i = 0; i < N; i += 7)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) sum += (double)A[i][k] * B[k][j];
            worst = fmax(worst, fabs(sum - C[i][j]));
        }
    return worst;
}

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            A[i][j] = (float)((i * 7 + j * 3) % 11) / 11 - 0.5f;
            B[i][j] = (float)((i * 5 + j * 13) % 17) / 17 - 0.5f;
        }
    double seconds = call(), worst = difference();
    printf("C[0][0] = %.4f, C[511][511] = %.4f\n", C[0][0], C[N - 1][N - 1]);
    printf("%.2f ms, %.1f GFLOP/s; at most %.1e from the definition\n", 1e3 * seconds,
           2.0 * N * N * N / seconds / 1e9, worst);
    return worst < 1e-3 ? 0 : 1;
}
