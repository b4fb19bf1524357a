"""Trains the network of net.ft and writes its weights and the held-out images. Nobody needs to run it to use the example:
what it writes is in data/. It needs torch, numpy and scikit-learn, whose copy of the digits (1797 images of 8 x 8
pixels, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0) it reads.

usage: python3 train.py [FOLDER]
"""

import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

SEED = 20
HELD_OUT = 500
EPOCHS = 120
BATCH = 64


class Net(nn.Module):
    """The twin of `digits` in net.ft: layer by layer, and name by name."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.dense = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.dense(F.dropout(x.flatten(1), 0.25, self.training))


def shifted(images):
    """Each image moved by up to one pixel in each direction, with zeros coming in: there are few images to learn from."""
    padded = F.pad(images, (1, 1, 1, 1))
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    return padded[:, :, dy : dy + 8, dx : dx + 8]


def train(images, labels):
    net = Net()
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(shifted(images[chosen])), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data")
    torch.manual_seed(SEED)
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.images))
    pixels, labels = digits.images[order].astype(np.uint8), digits.target[order].astype(np.uint8)

    # The held-out images are put aside before anything looks at them, and nothing was chosen by how well they do.
    images = torch.from_numpy(pixels[HELD_OUT:]).float()[:, None] / 16
    net = train(images, torch.from_numpy(labels[HELD_OUT:]).long())

    folder.mkdir(exist_ok=True)
    for name, value in net.state_dict().items():
        np.save(folder / (name.replace(".", "_") + ".npy"), value.numpy())
    np.save(folder / "images.npy", pixels[:HELD_OUT])
    np.save(folder / "labels.npy", labels[:HELD_OUT])

    with torch.no_grad():
        held_out = net(torch.from_numpy(pixels[:HELD_OUT]).float()[:, None] / 16).argmax(1).numpy()
        seen = net(images).argmax(1).numpy()
    print(f"trained on {len(images)} images: {(seen == labels[HELD_OUT:]).mean():.2%} right")
    print(f"held out {HELD_OUT} images: {(held_out == labels[:HELD_OUT]).mean():.2%} right")


if __name__ == "__main__":
    main()
