/* Reads 500 handwritten digits that the network has not seen in training, with the kernel that ftc made of net.ft.
 *
 * usage: digits FOLDER-WITH-THE-NPY-FILES
 */
#define _POSIX_C_SOURCE 199309L
#include <stdbool.h>
#include <time.h>

#include "net.h"
#include "npy.h"

enum { IMAGES = 500, SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10, SHOWN = 6, ROUNDS = 11 };

/* The weights, in the order in which the kernel takes them. */
struct weights {
    float *conv1_weight, *conv1_bias, *conv2_weight, *conv2_bias, *dense_weight, *dense_bias;
};

/* What the network says about an image. */
struct answer {
    float probability[DIGITS];
    int64_t label;
};

static struct weights load(const char *folder) {
    return (struct weights){
        .conv1_weight = npy_f32(folder, "conv1_weight.npy", 16 * 1 * 3 * 3),
        .conv1_bias = npy_f32(folder, "conv1_bias.npy", 16),
        .conv2_weight = npy_f32(folder, "conv2_weight.npy", 32 * 16 * 3 * 3),
        .conv2_bias = npy_f32(folder, "conv2_bias.npy", 32),
        .dense_weight = npy_f32(folder, "dense_weight.npy", 10 * 128),
        .dense_bias = npy_f32(folder, "dense_bias.npy", 10),
    };
}

static void unload(struct weights *w) {
    free(w->conv1_weight), free(w->conv1_bias), free(w->conv2_weight);
    free(w->conv2_bias), free(w->dense_weight), free(w->dense_bias);
}

/* The weights as the kernel reads them. */
static void *pack(const struct weights *w) {
    void *packed = aligned_alloc(64, read_digit_pack_bytes());
    int32_t status = packed ? read_digit_pack(w->conv1_weight, w->conv1_bias, w->conv2_weight, w->conv2_bias,
                                              w->dense_weight, w->dense_bias, packed)
                            : 2;
    if (status != 0) {
        fprintf(stderr, "read_digit_pack returned %d\n", (int)status);
        exit(2);
    }
    return packed;
}

static struct answer ask(const void *packed, const uint8_t *image) {
    struct answer a;
    int32_t status = read_digit_packed(image, packed, a.probability, &a.label);
    if (status != 0) {
        fprintf(stderr, "read_digit_packed returned %d\n", (int)status);
        exit(2);
    }
    return a;
}

/* Prints COUNT images side by side, two characters a pixel, and under each what was read. */
static void show(const uint8_t *images, const uint8_t *labels, const struct answer *answers, const int *which,
                 int count) {
    static const char ink[] = " .:-=+*#%@";
    for (int row = 0; row < SIDE; row++) {
        for (int i = 0; i < count; i++) {
            printf("  ");
            for (int column = 0; column < SIDE; column++) {
                char c = ink[images[which[i] * PIXELS + row * SIDE + column] * 9 / 16];
                printf("%c%c", c, c);
            }
        }
        printf("\n");
    }
    for (int i = 0; i < count; i++) {
        int64_t read = answers[which[i]].label;
        printf("  read %d, %3.0f %%   ", (int)read, 100 * answers[which[i]].probability[read]);
    }
    printf("\n");
    for (int i = 0; i < count; i++) printf("  is   %d          ", labels[which[i]]);
    printf("\n\n");
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Answers for all images, and the median over some rounds of the time that an image took. */
static double ask_all(const void *packed, const uint8_t *images, struct answer *answers) {
    double seconds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < IMAGES; i++) answers[i] = ask(packed, images + i * PIXELS);
        seconds[round] = (now() - start) / IMAGES;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    return seconds[ROUNDS / 2];
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER-WITH-THE-NPY-FILES\n", argv[0]);
        return 2;
    }
    struct weights weights = load(argv[1]);
    void *packed = pack(&weights);
    unload(&weights);
    uint8_t *images = npy_u8(argv[1], "images.npy", IMAGES * PIXELS);
    uint8_t *labels = npy_u8(argv[1], "labels.npy", IMAGES);
    static struct answer answers[IMAGES];
    double seconds = ask_all(packed, images, answers);

    int first[SHOWN], wrong[IMAGES], mistakes = 0;
    for (int i = 0; i < SHOWN; i++) first[i] = i;
    for (int i = 0; i < IMAGES; i++)
        if (answers[i].label != labels[i]) wrong[mistakes++] = i;
    printf("The first %d of %d held-out digits:\n\n", SHOWN, IMAGES);
    show(images, labels, answers, first, SHOWN);
    if (mistakes) printf("All that were misread:\n\n");
    for (int i = 0; i < mistakes; i += SHOWN)
        show(images, labels, answers, wrong + i, mistakes - i < SHOWN ? mistakes - i : SHOWN);

    double accuracy = 100.0 * (IMAGES - mistakes) / IMAGES;
    printf("%d of %d right (%.1f %%), %.1f µs per image\n", IMAGES - mistakes, IMAGES, accuracy, 1e6 * seconds);
    free(images), free(labels), free(packed);
    return accuracy >= 95 ? 0 : 1;
}
