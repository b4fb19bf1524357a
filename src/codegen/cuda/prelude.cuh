// A few floats at once: 16 bytes or less, aligned to all of them.
template <typename T, int N>
struct __align__(sizeof(T) * N) ftc_vec {
  T lane[N];
};

// What lies at an address that is aligned to all of it.
template <int N, typename T>
__device__ __forceinline__ ftc_vec<T, N> ftc_load(const T *from) {
  return *reinterpret_cast<const ftc_vec<T, N> *>(from);
}

// The same value in all lanes.
template <int N, typename T>
__device__ __forceinline__ ftc_vec<T, N> ftc_splat(T value) {
  ftc_vec<T, N> all;
#pragma unroll
  for (int lane = 0; lane < N; ++lane) all.lane[lane] = value;
  return all;
}

// Stores to an address that is aligned to all lanes.
template <int N, typename T>
__device__ __forceinline__ void ftc_store(T *to, const ftc_vec<T, N> &value) {
  *reinterpret_cast<ftc_vec<T, N> *>(to) = value;
}

// An address in shared memory.
__device__ __forceinline__ unsigned ftc_shared_address(const void *at) { return (unsigned)__cvta_generic_to_shared(at); }

// N bytes that go to shared memory by themselves, or zeros.
template <int N>
__device__ __forceinline__ void ftc_send(void *to, const void *from, bool is_there = true) {
  if constexpr (N == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :: "r"(ftc_shared_address(to)), "l"(from), "r"(is_there ? 16 : 0) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;"
                 :: "r"(ftc_shared_address(to)), "l"(from), "r"(is_there ? N : 0), "n"(N) : "memory");
  }
}

// What was sent since the last wait is a group; all but the last N groups are there then.
template <int N>
__device__ __forceinline__ void ftc_wait() {
  asm volatile("cp.async.commit_group;" ::: "memory");
  asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory");
}

// Matrices of eight rows of 16 bytes: eight threads of a warp name the rows of one, and thread 4 * g + t gets word t of row g.
__device__ __forceinline__ void ftc_matrices(unsigned &a, unsigned &b, unsigned &c, unsigned &d, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
               : "r"(ftc_shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ftc_matrices(unsigned &a, unsigned &b, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(a), "=r"(b)
               : "r"(ftc_shared_address(row))
               : "memory");
}

// As above, of two bytes: thread 4 * g + t gets those of rows 2 * t and 2 * t + 1 in column g.
__device__ __forceinline__ void ftc_turned_matrices(unsigned &a, unsigned &b, unsigned &c, unsigned &d, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
               : "r"(ftc_shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ftc_turned_matrices(unsigned &a, unsigned &b, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(a), "=r"(b)
               : "r"(ftc_shared_address(row))
               : "memory");
}

// The place in a line of 128 bytes: its vectors of N elements are in another order in each of eight rows.
template <int N>
__device__ __forceinline__ int ftc_line(int row, int place) { return place ^ (row % 8 * N); }

// What matrix units are told of an operand in such lines: where it is, and the bytes to lines that go on with others.
__device__ __forceinline__ uint64_t ftc_operand(const void *at, unsigned next) {
  return (uint64_t)(ftc_shared_address(at) >> 4 & 0x3fff) | (uint64_t)(next >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 | 1ull << 62;
}

// Matrix units of four warps begin to work by themselves; what threads have stored is shown to them first.
__device__ __forceinline__ void ftc_show() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ __forceinline__ void ftc_group_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void ftc_group_end() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// A word of neighbouring elements, the first lowest.
template <typename T>
__device__ __forceinline__ unsigned ftc_word(T a, T b) {
  const ftc_vec<T, 2> both = {{a, b}};
  return *reinterpret_cast<const unsigned *>(&both);
}
template <typename T>
__device__ __forceinline__ unsigned ftc_word(T a, T b, T c, T d) {
  return (uint8_t)a | (uint8_t)b << 8 | (uint8_t)c << 16 | (unsigned)(uint8_t)d << 24;
}
__device__ __forceinline__ unsigned ftc_word(float a) { return __float_as_uint(a); }

// A float, rounded to 10 bits behind the point.
__device__ __forceinline__ unsigned ftc_tf32(unsigned a) {
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(a)));
  return rounded;
}

// Tiles of 16 by 8 sums, to which products of 16 rows and 8 columns of words are added.
__device__ __forceinline__ void ftc_multiply_f16(float &c0, float &c1, float &c2, float &c3, const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ftc_multiply_bf16(float &c0, float &c1, float &c2, float &c3, const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ftc_multiply_f32(float &c0, float &c1, float &c2, float &c3, const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ftc_multiply_i8(int &c0, int &c1, int &c2, int &c3, const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c0), "+r"(c1), "+r"(c2), "+r"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ftc_multiply_u8(int &c0, int &c1, int &c2, int &c3, const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c0), "+r"(c1), "+r"(c2), "+r"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Neighbours in a warp, N of them, join what they have; each gets the whole.
template <int N, typename T, typename F>
__device__ __forceinline__ T ftc_join_lanes(T value, F join, unsigned mask) {
#pragma unroll
  for (int apart = N / 2; apart > 0; apart /= 2) value = join(value, (T)__shfl_xor_sync(mask, value, apart));
  return value;
}

// The threads of N warps join what they have; each gets the whole.
template <int N, typename T, typename F>
__device__ __forceinline__ T ftc_join_warps(T value, F join, int thread, T *scratch) {
  value = ftc_join_lanes<32>(value, join, ~0u);
  if (N == 1) return value;
  __syncthreads();
  if (thread % 32 == 0) scratch[thread / 32] = value;
  __syncthreads();
  scratch += thread / (32 * N) * N;
  if ((N & (N - 1)) == 0) return ftc_join_lanes<N>(scratch[thread % N], join, ~0u);
  value = scratch[0];
#pragma unroll
  for (int warp = 1; warp < N; ++warp) value = join(value, scratch[warp]);
  return value;
}

// Threads of a block that are X, Y and Z so far apart join what they have; each gets the whole.
template <int X, int STEP_X, int Y, int STEP_Y, int Z, int STEP_Z, typename T, typename F>
__device__ __forceinline__ T ftc_join_apart(T value, F join, int thread, T *scratch) {
  __syncthreads();
  scratch[thread] = value;
  __syncthreads();
  if constexpr (X > 1) thread -= thread / STEP_X % X * STEP_X;
  if constexpr (Y > 1) thread -= thread / STEP_Y % Y * STEP_Y;
  if constexpr (Z > 1) thread -= thread / STEP_Z % Z * STEP_Z;
  value = scratch[thread];
#pragma unroll 8
  for (int other = 1; other < X * Y * Z; ++other) {
    value = join(value, scratch[thread + other % X * STEP_X + other / X % Y * STEP_Y + other / (X * Y) * STEP_Z]);
  }
  return value;
}

// Sums, differences and products of integers wrap.
__device__ __forceinline__ int ftc_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
__device__ __forceinline__ int ftc_sub(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
__device__ __forceinline__ int ftc_mul(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
__device__ __forceinline__ long long ftc_add(long long a, long long b) {
  return (long long)((unsigned long long)a + (unsigned long long)b);
}
__device__ __forceinline__ long long ftc_sub(long long a, long long b) {
  return (long long)((unsigned long long)a - (unsigned long long)b);
}
__device__ __forceinline__ long long ftc_mul(long long a, long long b) {
  return (long long)((unsigned long long)a * (unsigned long long)b);
}

// Quotients of integers round down; 0 for a divisor of 0.
template <typename T>
__device__ __forceinline__ T ftc_div(T a, T b) {
  if (b == 0) return 0;
  if (b == -1) return ftc_sub((T)0, a);
  const T quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// Remainders of integers have the sign of the divisor; 0 for a divisor of 0.
template <typename T>
__device__ __forceinline__ T ftc_mod(T a, T b) {
  if (b == 0 || b == -1) return 0;
  const T remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

// Remainders of floats have the sign of the divisor.
__device__ __forceinline__ float ftc_fmod(float a, float b) { return a - floorf(a / b) * b; }
__device__ __forceinline__ double ftc_fmod(double a, double b) { return a - floor(a / b) * b; }

// NaN if either operand is.
template <typename T>
__device__ __forceinline__ T ftc_min(T a, T b) {
  return a < b || a != a ? a : b;
}

// NaN if either operand is.
template <typename T>
__device__ __forceinline__ T ftc_max(T a, T b) {
  return a > b || a != a ? a : b;
}

// The absolute value of an integer wraps.
template <typename T>
__device__ __forceinline__ T ftc_abs(T a) {
  return a < 0 ? ftc_sub((T)0, a) : a;
}

__device__ __forceinline__ float ftc_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ double ftc_sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

// Floats to integers: towards 0, saturating; NaN becomes 0.
__device__ __forceinline__ long long ftc_truncate(double x, double low, double high, long long least, long long most) {
  if (x != x) return 0;
  return x <= low ? least : x >= high ? most : (long long)x;
}
