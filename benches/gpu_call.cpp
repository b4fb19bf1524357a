// Calls every export of a library once, on buffers as large as its header says: for compute-sanitizer. What is the same in
// every call is packed, too.
//
//   gpu_call LIBRARY HEADER

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

// An argument of an export.
struct Argument {
  void *place;
  bool is_in, is_const;
};

static void *allocate(size_t bytes) {
  void *place = nullptr;
  if (cudaMalloc(&place, bytes) != cudaSuccess) std::exit(2);
  return place;
}

// The arguments of a function, by the end of its name.
static std::vector<void *> given(const std::vector<Argument> &all, const std::string &name, void *block) {
  const bool packs = name.ends_with("_pack_call"), is_packed = name.ends_with("_packed_call");
  std::vector<void *> args;
  for (const auto &one : all) {
    if (!one.is_in && is_packed && block != nullptr) args.push_back(block), block = nullptr;
    if (packs ? one.is_const : !(is_packed && one.is_const)) args.push_back(one.place);
  }
  if (packs) args.push_back(block);
  return args;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 2;
  const std::regex parameter(R"(, (\d+) bytes, (in|out)(, the same)?)"), function(R"(^int32_t (\w+_call)\()"),
      size(R"(^size_t (\w+_pack_bytes)\()");
  std::ifstream header(argv[2]);
  std::vector<Argument> all;
  void *block = nullptr;
  bool is_new = false;
  int called = 0;
  for (std::string line; std::getline(header, line);) {
    std::smatch found;
    if (std::regex_search(line, found, parameter)) {
      // Those of the next export.
      if (!is_new) {
        for (const auto &one : all) cudaFree(one.place);
        all.clear(), is_new = true;
      }
      const size_t bytes = std::stoul(found[1]);
      void *place = allocate(bytes);
      if (found[2] == "in") cudaMemset(place, 0x11, bytes);
      all.push_back({place, found[2] == "in", found[3].matched});
    }
    if (std::regex_search(line, found, size)) {
      block = allocate(reinterpret_cast<size_t (*)()>(dlsym(library, found[1].str().c_str()))());
    }
    if (std::regex_search(line, found, function)) {
      using Call = int32_t (*)(void *const *, cudaStream_t);
      const std::string name = found[1];
      const auto call = reinterpret_cast<Call>(dlsym(library, name.c_str()));
      const int status = call == nullptr ? -1 : call(given(all, name, block).data(), nullptr);
      const cudaError_t ended = cudaDeviceSynchronize();
      std::printf("%s: %d, %s\n", name.c_str(), status, cudaGetErrorName(ended));
      if (status != 0 || ended != cudaSuccess) return 1;
      is_new = false;
      called += 1;
    }
  }
  return called > 0 ? 0 : 2;
}
