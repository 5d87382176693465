// SHA-256 of what comes in chunks, by OpenSSL.
//
// Threads: one.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace colony {

class Sha256 {
 public:
  using Digest = std::array<unsigned char, 32>;

  // Throws Error when the library refuses, as it may where its provider is missing.
  Sha256();
  ~Sha256();

  void update(std::string_view bytes);

  // Of all that came. The last call.
  Digest digest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string hexadecimal(const Sha256::Digest& digest);

// With - and _ for + and /, padded.
std::string base64url(std::string_view bytes);

}  // namespace colony
