"""The RSA key that signs the sandbox's tokens, derived from the world's seed.

A key from a seed keeps tokens identical from run to run without a private key in the repository.
It protects nothing: the tokens are good for this sandbox only.
"""

import math
from functools import cache
from random import Random

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import KeySet, RSAKey

KEY_ID = "tesla-sandbox-1"
PRIME_BITS = 1024
PUBLIC_EXPONENT = 65_537
MILLER_RABIN_ROUNDS = 8
_SMALL_PRIMES_PRODUCT = math.prod(
    number for number in range(3, 2_000, 2) if all(number % d for d in range(3, 46, 2) if d < number)
)


@cache
def seeded_signing_key(seed: int) -> RSAKey:
    """The RSA-2048 key that belongs to a seed."""
    random = Random(f"signing-key-{seed}")  # noqa: S311 - reproducible on purpose, see above
    while True:
        p, q = _prime(random), _prime(random)
        if p != q and math.gcd(PUBLIC_EXPONENT, (p - 1) * (q - 1)) == 1:
            break
    d = pow(PUBLIC_EXPONENT, -1, math.lcm(p - 1, q - 1))
    private_key = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q),
    ).private_key()
    return RSAKey.import_key(private_key, {"kid": KEY_ID, "use": "sig", "alg": "RS256"})


def public_key_set(key: RSAKey) -> dict[str, object]:
    """The JSON Web Key Set with the public half of the key."""
    return dict(KeySet([key]).as_dict(private=False))


def _prime(random: Random) -> int:
    while True:
        candidate = random.getrandbits(PRIME_BITS) | (0b11 << (PRIME_BITS - 2)) | 1
        if math.gcd(candidate, _SMALL_PRIMES_PRODUCT) == 1 and _probably_prime(candidate, random):
            return candidate


def _probably_prime(candidate: int, random: Random) -> bool:
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(MILLER_RABIN_ROUNDS):
        power = pow(random.randrange(2, candidate - 1), odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = pow(power, 2, candidate)
            if power == candidate - 1:
                break
        else:
            return False
    return True
