// SPDX-License-Identifier: Apache-2.0
// The one table of error codes. Users, scripts and monitoring hold on to the texts: codes are added, never
// renamed. Each is produced by some test (tests/lint/check_codes.py looks for it).
#pragma once

namespace base {

/// What the planner may do about an error; retry policy depends on this and on nothing else.
enum class ErrorClass {
    Transient,      // try again soon, with backoff
    RateLimited,    // try again at retry_at
    Refused,        // somebody said no; trying again without a change will rarely help
    Configuration,  // a person has to change something; tried again when that changes, and daily
    Conflict,       // somebody else is at work on it
    Corrupt,        // what is on disk cannot be trusted
};

// X(enumerator, text, class)
#define RENEWD_ERROR_CODES(X)                                              \
    X(InternalUnexpected, "internal/unexpected", Transient)                \
    X(UsageWrong, "usage/wrong", Configuration)                            \
    X(ConfigSyntax, "config/syntax", Configuration)                        \
    X(ConfigUnknownKey, "config/unknown-key", Configuration)               \
    X(ConfigWrongValue, "config/wrong-value", Configuration)               \
    X(ConfigMissing, "config/missing", Configuration)                      \
    X(ConfigConflict, "config/conflict", Configuration)                    \
    X(ConfigUnreadable, "config/unreadable", Configuration)                \
    X(ConfigSecretExposed, "config/secret-exposed", Configuration)         \
    X(ConfigSecretUnavailable, "config/secret-unavailable", Configuration) \
    X(ConfigNotBuilt, "config/not-built", Configuration)                   \
    X(FileNotFound, "file/not-found", Configuration)                       \
    X(FileExists, "file/exists", Conflict)                                 \
    X(FileDenied, "file/denied", Configuration)                            \
    X(FileUnsafe, "file/unsafe", Configuration)                            \
    X(FileTooLarge, "file/too-large", Refused)                             \
    X(FileIo, "file/io", Transient)                                        \
    X(ProcessNotStarted, "process/not-started", Configuration)             \
    X(StateCorrupt, "state/corrupt", Corrupt)                              \
    X(StateLocked, "state/locked", Conflict)                               \
    X(StateNewer, "state/newer-version", Corrupt)                          \
    X(StateNoSpace, "state/no-space", Transient)                           \
    X(StateUnwritable, "state/unwritable", Transient)                      \
    X(StateVolatile, "state/volatile", Configuration)                      \
    X(CryptoInvalid, "crypto/invalid", Refused)                            \
    X(NetUnreachable, "net/unreachable", Transient)                        \
    X(NetTimeout, "net/timeout", Transient)                                \
    X(NetUntrusted, "net/untrusted", Configuration)                        \
    X(NetRefusedScheme, "net/refused-scheme", Configuration)               \
    X(NetTooLarge, "net/too-large", Transient)                             \
    X(CaUnreachable, "ca/unreachable", Transient)                          \
    X(CaProtocol, "ca/protocol", Transient)                                \
    X(CaServerError, "ca/server-error", Transient)                         \
    X(CaBadNonce, "ca/bad-nonce", Transient)                               \
    X(CaRateLimited, "ca/rate-limited", RateLimited)                       \
    X(CaAccountMissing, "ca/account-missing", Refused)                     \
    X(CaAccountRefused, "ca/account-refused", Configuration)               \
    X(CaTermsNotAgreed, "ca/terms-not-agreed", Configuration)              \
    X(CaBindingRequired, "ca/binding-required", Configuration)             \
    X(CaKeyInUse, "ca/key-in-use", Conflict)                               \
    X(CaPaused, "ca/paused", Refused)                                      \
    X(CaProfileRefused, "ca/profile-refused", Configuration)               \
    X(CaForbidden, "ca/forbidden-by-caa", Configuration)                   \
    X(CaRevocationRefused, "ca/revocation-refused", Refused)               \
    X(CaRefused, "ca/refused", Refused)                                    \
    X(CaIdentifierRefused, "ca/identifier-refused", Refused)               \
    X(CaValidationFailed, "ca/validation-failed", Refused)                 \
    X(CaOrderGone, "ca/order-gone", Transient)                             \
    X(CaOrderPending, "ca/order-pending", Transient)                       \
    X(CaWrongCertificate, "ca/wrong-certificate", Refused)                 \
    X(SolverNone, "solver/none", Configuration)                            \
    X(SolverPresent, "solver/present", Configuration)                      \
    X(SolverPortBusy, "solver/port-busy", Configuration)                   \
    X(SolverRecordMissing, "solver/record-missing", Configuration)         \
    X(SolverRecordEnds, "solver/record-ends", Configuration)               \
    X(DnsUnreachable, "dns/unreachable", Transient)                        \
    X(DnsFailed, "dns/failed", Transient)                                  \
    X(DnsBogus, "dns/bogus", Configuration)                                \
    X(DnsLoop, "dns/loop", Configuration)                                  \
    X(DnsNotPropagated, "dns/not-propagated", Transient)                   \
    X(ProviderUnreachable, "provider/unreachable", Transient)              \
    X(ProviderDenied, "provider/denied", Configuration)                    \
    X(ProviderNoZone, "provider/no-zone", Configuration)                   \
    X(ProviderRateLimited, "provider/rate-limited", RateLimited)           \
    X(ProviderFailed, "provider/failed", Transient)                        \
    X(ProviderProtocol, "provider/protocol", Refused)                      \
    X(PluginUnsafe, "plugin/unsafe", Configuration)                        \
    X(DeployUnproven, "deploy/unproven", Refused)                          \
    X(DeployServiceBroken, "deploy/service-broken", Refused)               \
    X(DeployTestFailed, "deploy/test-failed", Refused)                     \
    X(DeployWriteFailed, "deploy/write-failed", Transient)                 \
    X(DeployReloadFailed, "deploy/reload-failed", Transient)               \
    X(DeployNotRunning, "deploy/not-running", Configuration)               \
    X(DeployRestored, "deploy/restored", Refused)                          \
    X(DeployOutcomeUnknown, "deploy/outcome-unknown", Transient)           \
    X(DeployUnsafePath, "deploy/unsafe-path", Configuration)               \
    X(DeployNotAllowed, "deploy/not-allowed", Configuration)               \
    X(DeployContested, "deploy/contested", Refused)                        \
    X(DeployHeld, "deploy/held", Conflict)                                 \
    X(HostUnreachable, "host/unreachable", Transient)                      \
    X(HostKeyChanged, "host/key-changed", Configuration)                   \
    X(HostKeyUnknown, "host/key-unknown", Configuration)                   \
    X(HostLoginRefused, "host/login-refused", Configuration)               \
    X(HostSudoRefused, "host/sudo-refused", Configuration)                 \
    X(HostTimeout, "host/timeout", Transient)                              \
    X(HostProtocol, "host/protocol", Transient)                            \
    X(VerifyStale, "verify/stale", Transient)                              \
    X(VerifyForeign, "verify/foreign", Refused)                            \
    X(VerifyIncompleteChain, "verify/incomplete-chain", Refused)           \
    X(VerifyUntrusted, "verify/untrusted", Refused)                        \
    X(VerifyNameMismatch, "verify/name-mismatch", Refused)                 \
    X(VerifyExpired, "verify/expired", Refused)                            \
    X(VerifyHandshakeFailed, "verify/handshake-failed", Transient)         \
    X(VerifyUnresolved, "verify/unresolved", Transient)                    \
    X(VerifyUnreachable, "verify/unreachable", Transient)                  \
    X(HookFailed, "hook/failed", Transient)                                \
    X(AgentOverdue, "agent/overdue", Transient)                            \
    X(ClockWrong, "clock/wrong", Transient)

enum class Code {
#define RENEWD_ENUMERATOR(name, text, error_class) name,
    RENEWD_ERROR_CODES(RENEWD_ENUMERATOR)
#undef RENEWD_ENUMERATOR
};

}  // namespace base
