import torch

from pbgraph.streams import draw_from, generator, seed_of, seeded


def test_streams_depend_on_seed_and_name_alone():
    first = torch.randn(5, generator=generator(68, "shuffle/3"))
    torch.randn(100)
    assert torch.equal(first, torch.randn(5, generator=generator(68, "shuffle/3")))
    assert not torch.equal(first, torch.randn(5, generator=generator(68, "shuffle/4")))
    assert not torch.equal(first, torch.randn(5, generator=generator(69, "shuffle/3")))


def test_seeds_are_valid_and_do_not_collide():
    seeds = {seed_of(seed, f"name/{i}") for seed in range(50) for i in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeded_block_leaves_the_global_stream_as_it_was():
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    with seeded(68, "init"):
        inside = torch.randn(3)
    assert torch.equal(torch.randn(3), expected)
    assert torch.equal(inside, torch.randn(3, generator=generator(68, "init")))


def test_global_draws_are_those_of_the_stream():
    with torch.random.fork_rng():
        draw_from(68, "dropout/3/1")
        drawn = torch.randn(3)
        torch.manual_seed(seed_of(68, "dropout/3/1"))
        assert torch.equal(drawn, torch.randn(3))
    assert torch.equal(drawn, torch.randn(3, generator=generator(68, "dropout/3/1")))
