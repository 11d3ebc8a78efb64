"""dynunet_hazard: dynunet, with a head that tells the log-hazard of the subject from the lesions that the
network outlines, on one encoder and decoder. The first level has full resolution.

As any network of this folder it gives logits of labels; `told` gives the log-hazard with them. The first
channel of the image must have one scale for all images, such as SUV normalised by the labels of the train
part: its highest value inside lesions is one of the things that the head sees.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; a shared network for lesions and outcome: Meng et
al. 2022, doi:10.1109/JBHI.2022.3181791.
"""

import torch
from monai.networks.nets.dynunet import DynUNet
from torch import nn

from radiotrace.learning.networks import dynunet
from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec

INTERVALS = 8  # of time, of which a discrete hazard has an offset each
VOXELS = 16.0  # what volumes are counted in before their logarithm: about 1 mL of voxels of 4 mm
FLOOR = 2.0  # of the first channel, in its SD below the mean of lesions, from which heat is counted


class Head(nn.Module):
    """The log-hazard out of what is predicted to be lesion.

    It is linear in what it sees: the logarithm of the volume of each label, of all labels together, and of
    the highest value of the first channel inside them; then the mean of each feature of the decoder over the
    lesions. Probabilities stand for masks, so that the loss of survival reaches the outlines, too.

    Attributes:
        risk: weight of each thing that it sees.
        offsets: log-odds of an event in each interval of time for a log-hazard of 0; only a discrete hazard
            learns them.
    """

    def __init__(self, labels: int, features: int):
        super().__init__()
        self.risk = nn.Linear(labels + 1 + features, 1, bias=False)
        self.offsets = nn.Parameter(torch.full((INTERVALS,), -2.0))
        nn.init.zeros_(self.risk.weight)

    def forward(self, image: torch.Tensor, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """As `seen` takes them -> log-hazards (n,) float32."""
        return nn.functional.linear(self.seen(image, features, logits), self.risk.weight.float())[:, 0]

    def seen(self, image: torch.Tensor, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Image (n, c, z, y, x), features (n, f, z, y, x) and logits (n, labels, z, y, x) -> (n, labels + 1 +
        f) float32."""
        shares = torch.softmax(logits.float(), 1)[:, 1:].flatten(2)
        lesion = shares.sum(1)
        inside = torch.einsum("nfv,nv->nf", features.float().flatten(2), lesion)
        mean = inside / lesion.sum(1, keepdim=True).clamp_min(VOXELS)
        return torch.cat([burden(image, shares), mean], 1)


def burden(image: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Image (n, c, z, y, x) and shares of the labels but the background (n, labels - 1, voxels) -> (n, labels
    + 1): logarithms of the volumes, of the whole volume, and of the highest value inside."""
    volumes = torch.log1p(shares.sum(2) / VOXELS)
    whole = torch.log1p(shares.sum((1, 2)) / VOXELS)
    heat = (image[:, 0].float().flatten(1) + FLOOR).clamp_min(0) * shares.sum(1)
    return torch.cat([volumes, whole[:, None], torch.log1p(heat.amax(1))[:, None]], 1)


class Network(nn.Module):
    """dynunet and the head."""

    def __init__(self, body: DynUNet, labels: int, features: int):
        super().__init__()
        self.body = body
        self.head = Head(labels, features)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(n, c, z, y, x) -> logits (n, labels, z, y, x)."""
        return self.body(image)

    def told(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, c, z, y, x) -> logits (n, labels, z, y, x), and log-hazards (n,) float32."""
        features = self.body.skip_layers(image)
        logits = self.body.output_block(features)
        return logits, self.head(image, features, logits)

    def seen(self, image: torch.Tensor) -> torch.Tensor:
        """(n, c, z, y, x) -> what the head sees, (n, labels + 1 + features) float32."""
        features = self.body.skip_layers(image)
        return self.head.seen(image, features, self.body.output_block(features))


def build(spec: NetworkSpec) -> Network:
    """With instance norm and transposed convolutions; its heads of supervision would have no place."""
    return Network(dynunet.build(spec), spec.labels, spec.features[0])


def lowest(network: Network, levels: int) -> nn.Module:
    """The bottleneck."""
    return dynunet.lowest(network.body, levels)


def level(network: Network, level: int, levels: int) -> nn.Module:
    """On the way up, or the bottleneck."""
    return dynunet.level(network.body, level, levels)


ARCHITECTURE = Architecture(
    build,
    lowest,
    level,
    levels_min=3,
    shuffles=True,
)
