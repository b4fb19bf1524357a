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
