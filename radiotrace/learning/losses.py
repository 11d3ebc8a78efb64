"""Losses."""
import torch
from monai.losses import DiceCELoss


class DeepSupervised(torch.nn.Module):
    """Soft Dice over the batch plus cross-entropy, over the heads of a deeply supervised network.

    Head h weighs 2^-h, the weights sum to 1. Dice leaves the background out and pools the voxels of a batch, so that a
    patch without a label does not count as a failure.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; Lee et al. 2015, arXiv:1409.5185.
    """

    def __init__(self):
        super().__init__()
        self.one_head = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)

    def forward(self, heads_nhczyx: torch.Tensor, reference_nczyx: torch.Tensor) -> torch.Tensor:
        """Scalar loss of logits (n, heads, labels, z, y, x) against integer labels (n, 1, z, y, x)."""
        weights = [2.0**-head for head in range(heads_nhczyx.shape[1])]
        losses = [weight * self.one_head(heads_nhczyx[:, head].float(), reference_nczyx)
                  for head, weight in enumerate(weights)]
        return torch.stack(losses).sum() / sum(weights)
