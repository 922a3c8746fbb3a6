// SPDX-License-Identifier: Apache-2.0
// Keys made once with the openssl command, and the JWKs that belong to them. Good for tests only: they are
// public. The JWKs were computed apart from our code, from the last 2 x 32 (48) bytes of
//   openssl pkey -in KEY -pubout -outform DER
// and from `openssl rsa -in KEY -noout -modulus`, with Python's base64.urlsafe_b64encode.
#pragma once

#include <string_view>

namespace key_fixtures {

// openssl ecparam -genkey -noout -name prime256v1, until x began with a zero byte: JWK must keep it.
inline constexpr std::string_view kP256Sec1 = R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEINgGmbuYr0MrqkthhmRztQZWRZuf2L0Kw84aA06jVTI7oAoGCCqGSM49
AwEHoUQDQgAEAPsJYRQfp6r2bCDNXakvRsGwn2l0MMud7tUpAzajZ1C6LbV8MF+b
cLDAZrhMlk6Mv5Pw6rz3bVRcXJxo/oL6aw==
-----END EC PRIVATE KEY-----
)";

// openssl pkcs8 -topk8 -nocrypt of the one above
inline constexpr std::string_view kP256 = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2AaZu5ivQyuqS2GG
ZHO1BlZFm5/YvQrDzhoDTqNVMjuhRANCAAQA+wlhFB+nqvZsIM1dqS9GwbCfaXQw
y53u1SkDNqNnULottXwwX5twsMBmuEyWToy/k/DqvPdtVFxcnGj+gvpr
-----END PRIVATE KEY-----
)";

inline constexpr std::string_view kP256Jwk =
    R"({"crv":"P-256","kty":"EC","x":"APsJYRQfp6r2bCDNXakvRsGwn2l0MMud7tUpAzajZ1A","y":"ui21fDBfm3CwwGa4TJZ)"
    R"(OjL-T8Oq8921UXFycaP6C-ms"})";

// openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384
inline constexpr std::string_view kP384 = R"(-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBOootKvZapZPAUiWXz
BhzYGmi59tb+RQClIyjLzFhHXuU8j/tPv7GsYPVJ4fNDUUKhZANiAATtU/BY6vm/
kjydtWOcqJbYpSJoL/cZyiUiL4Vy+G/HL4L0RQCu7sDXYZlXJ7kEfo8uluAGE3dC
RMhQRlMsS+xNg5cuCb5Az9zWPXpS0Term2sPRCCQTVnZFoxxKYmjyEg=
-----END PRIVATE KEY-----
)";

inline constexpr std::string_view kP384Jwk =
    R"({"crv":"P-384","kty":"EC","x":"7VPwWOr5v5I8nbVjnKiW2KUiaC_3GcolIi-Fcvhvxy-C9EUAru7A12GZVye5BH6P","y")"
    R"(:"LpbgBhN3QkTIUEZTLEvsTYOXLgm-QM_c1j16UtE3q5trD0QgkE1Z2RaMcSmJo8hI"})";

// openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048
inline constexpr std::string_view kRsa2048 = R"(-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDO/OAZ31iDfEKf
tQJ1FYLoQdF6N63XkTdkoTztd9f7rMgDI1lnH7ZtHBcHzPT5yrSMQYx24gyZm9lW
0uNxYzgHV6uK/5AssNriDKUeO91/T3Gf1+W3ICbQbRNRWoo54pTEb9Hm359J7M9P
EvsTLDB2+tm6axR7+54zIf9j07BRQU54LsyS/+u3lXElMhHE6yHyK5EjKSCZJOHs
i6nZBSA4ruxwzJLv6QgVL+KOdAdmlNCpGOnq08kvQgbNXoDCfkjJeTcC7nrBH9dw
G00Oajbaecc4u8LakzdZvvHxYPhOGFMPDx4uU7XB/5MsU+89gl+F+VDURKJhNIEl
e4T3/qJTAgMBAAECggEAKOaDCdm+Tc0CBTjpUWV8xpQq5nGWImCJh5LszSe/P/X2
V9hmVCBKFelVC6+OQMWzQ3u4W81zG+9V1Pg7BS7L5XeHaCHzxUD1H3HMNtsxe3Sh
SSqKM9NgmBLVnF+9rI5/Qwmtemd5vEvU8xUXE8TJltkeqN174LvpmMUBCCLOVl+s
J24j2yWkfgTZj2EAXcMfzO823z5VKn0SWoszxTfwLE94AIuFjEz7CwbfifwPZXLf
HRlFEvFrEUPMCyGL1ETlcktvaIqjitjY3wvwWG1XuAQMT3TMkm7WCs90hy7tDzW0
vlw8HNmvaofiPnDuwv1F+90Vc0PTSCHR/y3I4bny0QKBgQDwt87BjsaKffHG2/Rr
rlqRZYWSXTrhxtQxGUmrYOsn0a2rIzkayVIMkC683Rm0u2W938LgGnR7HMuB87oj
CluEfPCR4Xjw+k8ejJ3SmwnBRA1Ra03VQVKBqGHEBjYUP4ignKyEuZa5pQzEeJAq
uxhErDHVjw0DQYVwCdoQK9MmpwKBgQDcIODeHe7SG+u1lsz5apcYyqlR8wSnk9ex
HA24Zt6E6Squ8B7p0nwcS5lQDyRJ3Jl0mc4v2BJ8KIwAQ+y9H/v8p5vdoQsGU8ug
p52YGJE0hdzHBUXWXcMDY68xB4awsjBBpblVZFWhc4ISsulDnxPvar03Lms+5G+l
vwAlOElIdQKBgCTIEUGmLVQwFmeKaHijtZcN6jEJKdwh4351HLqhHo2BDoZd5XXg
WTcuONYG+syQ7eTrcf2ITVAagEYlFcYQ6Rb/eEryJua7eKd0WRE7O2xal6ZfPQ9e
4dqJ/hZT1KOXaasRBZNqQEuxmpfSzESbPgQQQ7UcHKLouhj6iGV8LNF1AoGAeY52
XnGtFb1xVh9mJT0lHv2arrRCF7/eVeEl+nRj4IVZmqzihUBEZOOiT8FsypTU8LyW
TXlGC+XgGa1op69n2Uc9HQ/3JJFVWuv0bK70UEqzdfuFazDvpYmAjtSXHi/n0fiP
9YWoe7VrWKQPh9XqjkUlI7mwY1SGCsMEc4k3fpkCgYEAhsYaKgOs74I4ESu7ltmb
9CRiQx8ByeqstU4oGHKb5yNcVxuRyJroiGZ8ZLWt19ljbBvIU332KoDAYt2c5gDG
ejIMM6HAFLBxXNCFrGA1EjcTYGUcuYs3h91hNQXxUsQqD4/U7E37b+VbTGTYOn+F
T/mbSS2wD9suF0xdr1crTxg=
-----END PRIVATE KEY-----
)";

inline constexpr std::string_view kRsa2048Jwk =
    R"({"e":"AQAB","kty":"RSA","n":"zvzgGd9Yg3xCn7UCdRWC6EHRejet15E3ZKE87XfX-6zIAyNZZx-2bRwXB8z0-cq0jEGMduI)"
    R"(MmZvZVtLjcWM4B1eriv-QLLDa4gylHjvdf09xn9fltyAm0G0TUVqKOeKUxG_R5t-fSezPTxL7EywwdvrZumsUe_ueMyH_Y9OwUUF)"
    R"(OeC7Mkv_rt5VxJTIRxOsh8iuRIykgmSTh7Iup2QUgOK7scMyS7-kIFS_ijnQHZpTQqRjp6tPJL0IGzV6Awn5IyXk3Au56wR_XcBt)"
    R"(NDmo22nnHOLvC2pM3Wb7x8WD4ThhTDw8eLlO1wf-TLFPvPYJfhflQ1ESiYTSBJXuE9_6iUw"})";

// kP256Sec1 with one bit of its private number turned over
inline constexpr std::string_view kDamaged = R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEINgGmbuYr0MrqktghmRztQZWRZuf2L0Kw84aA06jVTI7oAoGCCqGSM49
AwEHoUQDQgAEAPsJYRQfp6r2bCDNXakvRsGwn2l0MMud7tUpAzajZ1C6LbV8MF+b
cLDAZrhMlk6Mv5Pw6rz3bVRcXJxo/oL6aw==
-----END EC PRIVATE KEY-----
)";

// openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit | openssl pkcs8 -topk8 -nocrypt
inline constexpr std::string_view kSpeltOutCurve = R"(-----BEGIN PRIVATE KEY-----
MIIBeQIBADCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAAB
AAAAAAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA
///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMV
AMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg
9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8A
AAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBBG0wawIBAQQgy2oOd1fMlk8z
CeR8QSGaosNw501Ow9aCdXY/7xqHr62hRANCAAQsYg9M/fweGRwwzNm+7rErSLCQ
EgwS9tKs8fkWfUIeGQ1uRQ5HjgPRfmZzF99nY6oM/5fVfp/VVMFglqSYda4e
-----END PRIVATE KEY-----
)";

}  // namespace key_fixtures
