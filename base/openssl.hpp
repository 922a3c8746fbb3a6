// SPDX-License-Identifier: Apache-2.0
// OpenSSL's objects as owners of their own memory, and its error queue as words. Included by .cpp files only:
// nobody who reads a contract header should have to know OpenSSL.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/identifier.hpp"

namespace base {

/// Calls an OpenSSL `*_free`; unique_ptr stays as small as the pointer.
template <auto Fn>
struct Deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        Fn(object);
    }
};

struct ExtensionsDeleter {
    void operator()(STACK_OF(X509_EXTENSION) * extensions) const noexcept {
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    }
};

struct BorrowedCertificatesDeleter {
    void operator()(STACK_OF(X509) * certificates) const noexcept { sk_X509_free(certificates); }
};

/// What OpenSSL allocated and leaves to us; OPENSSL_free is a macro.
struct MemoryDeleter {
    void operator()(void* memory) const noexcept { OPENSSL_free(memory); }
};

using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_clear_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using DecoderPtr = std::unique_ptr<OSSL_DECODER_CTX, Deleter<OSSL_DECODER_CTX_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), ExtensionsDeleter>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using MdContextPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Deleter<PKCS8_PRIV_KEY_INFO_free>>;
using PublicKeyPtr = std::unique_ptr<X509_PUBKEY, Deleter<X509_PUBKEY_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
/// A stack whose certificates belong to somebody else.
using BorrowedCertificatesPtr = std::unique_ptr<STACK_OF(X509), BorrowedCertificatesDeleter>;

/// Empties this thread's error queue and returns the words of its first entry, the one nearest the cause; "no
/// reason given" if it is empty. To be called wherever OpenSSL said no, or the next caller reads our error.
[[nodiscard]] std::string openssl_error();

/// What one of OpenSSL's `i2d_*` functions writes; empty if it cannot.
template <auto Encode, class T>
[[nodiscard]] std::string to_der(T* object) {
    const int size = Encode(object, nullptr);
    if (size <= 0) return {};
    std::string der(static_cast<std::size_t>(size), '\0');
    auto* out = reinterpret_cast<unsigned char*>(der.data());
    Encode(object, &out);
    return der;
}

/// What has been written to a memory BIO.
[[nodiscard]] std::string contents(BIO* memory);

/// The bytes of an ASN.1 string.
[[nodiscard]] std::string string_of(const ASN1_STRING* text);

/// The identifier a subject alternative name stands for, if we have a word for it.
[[nodiscard]] std::optional<Identifier> identifier_of(const GENERAL_NAME* name);

}  // namespace base
