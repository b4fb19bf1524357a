/* Reads .npy files of version 1 to 3, little-endian and row-major: as much of the format as this example needs. */
#ifndef NPY_H
#define NPY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stops the program with a message about a file. */
static void npy_fail(const char *path, const char *what) {
    fprintf(stderr, "%s: %s\n", path, what);
    exit(2);
}

/* The number of bytes of the header, after the magic bytes and the version. */
static size_t npy_header_size(FILE *file, const char *path) {
    unsigned char start[12];
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) npy_fail(path, "not a .npy file");
    if (start[6] == 1) return start[8] | (size_t)start[9] << 8;
    if (fread(start + 10, 1, 2, file) != 2) npy_fail(path, "ends in its header");
    return start[8] | (size_t)start[9] << 8 | (size_t)start[10] << 16 | (size_t)start[11] << 24;
}

/* The elements of the file at FOLDER/NAME, which must be COUNT of type DESCR ("<f4" or "|u1") and of SIZE bytes. */
static void *npy_read(const char *folder, const char *name, const char *descr, size_t size, size_t count) {
    char path[1024], header[512], wanted[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) npy_fail(path, "cannot be opened");
    size_t length = npy_header_size(file, path);
    if (length >= sizeof header || fread(header, 1, length, file) != length) npy_fail(path, "has a bad header");
    header[length] = 0;
    snprintf(wanted, sizeof wanted, "'descr': '%s'", descr);
    if (!strstr(header, wanted) || !strstr(header, "'fortran_order': False")) npy_fail(path, "has another element type");
    void *data = malloc(size * count);
    if (!data || fread(data, size, count, file) != count || fgetc(file) != EOF) npy_fail(path, "has another size");
    fclose(file);
    return data;
}

static float *npy_f32(const char *folder, const char *name, size_t count) {
    return npy_read(folder, name, "<f4", sizeof(float), count);
}

static uint8_t *npy_u8(const char *folder, const char *name, size_t count) {
    return npy_read(folder, name, "|u1", 1, count);
}

#endif
