import jax
import jax.numpy as jnp

from dsps_sbi.kernels.full_precision import einsum, matmul, tensordot


def test_products_ask_for_all_digits(inexact_products):
    a = jnp.ones((3, 3))
    for product in (matmul, lambda a, b: tensordot(a, b, axes=1), lambda a, b: einsum("ij,jk->ik", a, b)):
        assert inexact_products(product, a, a) == (1, 0)
        assert jnp.array_equal(product(a, a), 3.0 * a)


def test_what_does_not_ask_is_found_wherever_it_is(inexact_products):
    a = jnp.ones((3, 3))
    assert inexact_products(jnp.matmul, a, a) == (1, 1)
    scanned = jax.jit(lambda a: jax.lax.scan(lambda c, _: (c @ a, None), a, length=2)[0])
    assert inexact_products(scanned, a) == (1, 1)
