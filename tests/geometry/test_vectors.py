"""Lengths, and rows of many poses at once."""

import torch

from repousse.geometry.vectors import add_rows, by_vertex, length, take_rows


def test_length_of_nothing():
    """Breaks if the derivative of a length of 0 is NaN, or other lengths change."""
    vectors = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    lengths = length(vectors)
    assert lengths.tolist() == [5, 0]
    lengths.sum().backward()
    assert vectors.grad is not None
    torch.testing.assert_close(vectors.grad, torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]]))


def test_rows_are_those_of_each_pose():
    """Breaks if poses or channels mix, or sums go to the wrong vertex."""
    poses = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[0, 6], [3, 3], [6, 1]], dtype=torch.int32)
    rows = take_rows(by_vertex(poses), index)
    assert torch.equal(rows, poses[:, index.long()].movedim(0, 2))
    assert torch.equal(take_rows(by_vertex(poses[0]), index)[:, :, 0], poses[0][index.long()])
    sums = add_rows(rows[:, 0], index[:, 0], 8)
    expected = torch.zeros(8, 4, 3)
    expected[[0, 3, 6]] = rows[:, 0]
    assert torch.equal(sums, expected)
    assert torch.equal(
        add_rows(torch.ones(5, 1, 1), torch.tensor([2, 2, 2, 0, 2]), 3).flatten(), torch.tensor([1.0, 0, 4])
    )
