// Calls every export of a library once, on buffers as large as its header says: for compute-sanitizer.
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

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 2;
  const std::regex parameter(R"(, (\d+) bytes, (in|out))"), function(R"(^int32_t (\w+_call)\()");
  std::ifstream header(argv[2]);
  std::vector<void *> args;
  int called = 0;
  for (std::string line; std::getline(header, line);) {
    std::smatch found;
    if (std::regex_search(line, found, parameter)) {
      void *place = nullptr;
      const size_t bytes = std::stoul(found[1]);
      if (cudaMalloc(&place, bytes) != cudaSuccess) return 2;
      if (found[2] == "in") cudaMemset(place, 0x11, bytes);
      args.push_back(place);
    }
    if (std::regex_search(line, found, function)) {
      using Call = int32_t (*)(void *const *, cudaStream_t);
      const auto call = reinterpret_cast<Call>(dlsym(library, found[1].str().c_str()));
      const int status = call == nullptr ? -1 : call(args.data(), nullptr);
      const cudaError_t ended = cudaDeviceSynchronize();
      std::printf("%s: %d, %s\n", found[1].str().c_str(), status, cudaGetErrorName(ended));
      if (status != 0 || ended != cudaSuccess) return 1;
      for (void *place : args) cudaFree(place);
      args.clear();
      called += 1;
    }
  }
  return called > 0 ? 0 : 2;
}
