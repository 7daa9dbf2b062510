# ---
# jupyter:
#   course:
#     title: "04 PixelCNN"
#     summary: "mask convolutions, find the blind spot and cure it; then draw, score and complete digits pixel by pixel"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 04: One pixel after the other
# A convolution looks at a neighbourhood on all sides. A model that writes an image pixel by pixel must not look ahead.
# You bend one into the other: first along a line, then in the plane, then through the colours of a single pixel. You
# measure what a network really sees, find pixels that it should see and does not, and build the cure. At the end you
# have a generative model of digits that draws, scores and completes them.
#
# **Afterwards you can** make any convolution causal by padding or by a mask; prove by its gradient what a network
# depends on; build the gated block of PixelCNN with its two stacks; say how likely an image is, in bits a pixel; sample
# and complete images from uniform numbers, so that the result can be repeated to the last bit.
#
# **Needs** lecture 04, convolutions in PyTorch (`F.conv2d`, `F.pad`), `autograd`. No GPU. About two hours, 9 tasks, 24
# points. Tasks 1, 2, 3, 5 and 7 to 9 stand alone; 4 uses a function of 3, and 6 uses 2 and is looked at with 5.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it. Keep the names and the arguments: the checks call them. A check draws inputs with `fresh`, feeds your function
# with them and shows at once, for each value that it compares, pass or fail, the shape and a hint. Points are shared
# equally by the values of a check. That badge is help; the grade is computed later in the same way with *other* inputs.
# A task you left out or got wrong does not cost you the later ones in the grade: there the solution stands in for it.
# Here it does, so mend the tasks in their order. To go on at a later section, put the cursor there and choose *Run >
# Run All Above Selected Cell*: that does not stop at a task that is not done. In Colab, save a copy in Drive first
# (*File* menu); *Runtime > Run before* does it there. Add cells wherever you like; edits to a check cell are ignored.

# %%
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.colors import ListedColormap
from torch import nn

from utils.data import binarise, digits
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import progress

use_style()

# %% [markdown]
# ## The data
# The digits are halved to 14 x 14, each pixel the mean of four, so that a model can be trained here in less than half a
# minute. A grey value is read as a probability: whenever an image is used, its pixels are drawn black or white
# anew (dynamic binarisation). All likelihoods in this lab are for such images of 196 black or white pixels, and say
# nothing about the numbers in papers, which are for 784.

# %%
images, labels = digits()
grey = F.avg_pool2d(images[:, None].float(), 2).round().byte()  # (10000, 1, 14, 14), uint8 in 0..255
train, held_out = grey[:9000], grey[9000:]

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2))
show_images(grey[:24, 0], columns=8, ax=left, title="14 x 14, grey")
drawn = binarise(grey[:24, 0], generator=torch.Generator().manual_seed(0))
show_images(drawn, columns=8, ax=right, title="drawn black or white")
plt.show()

# %% [markdown]
# ## 1 A convolution that does not look ahead
# **3 points · 14 minutes · easy**
#
# Begin with one dimension, time. Output $y_t$ may use $x_t$ and what came before it, never what comes after. A filter
# of $k$ taps with dilation $d$ skips $d - 1$ inputs between two taps, so it reaches $(k-1)\,d$ steps back:
# $$y_t = b + \sum_{j=0}^{k-1} W_j\, x_{t-(k-1-j)\,d}, \qquad x_s = 0 \text{ for } s < 0 \tag{1}$$
# The last tap, $W_{k-1}$, meets the present. (The lecture numbers the taps backwards from the present: there $W_0$
# meets it.) Stack layers with $d = 1, 2, 4, 8, \dots$ and the memory doubles with every layer, while the number of
# weights grows by the same amount each time. That is WaveNet's idea.
#
# <details><summary>Hint 1: the idea</summary>
#
# `F.conv1d` already computes a sum of this form, without any knowledge of time: its output begins where the filter fits
# completely. If you give it zeros *before* the beginning, and nothing after the end, how many must there be for the
# output to be as long as the input?
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `F.pad(x, (left, right))` pads the last axis. PyTorch's `conv1d` does not flip the filter: its last weight
# meets the last input under it, as in (1). The argument `padding=` of `conv1d` would pad both sides.
#
# </details>


# %% task="causal_conv1d" points=3 minutes=14
def causal_conv1d(x, weight, bias, dilation=1):
    """Causal dilated convolution, eq. (1): output t sees the inputs up to and including t.

    x: (B, C_in, T) float. weight: (C_out, C_in, k). bias: (C_out,). dilation: int >= 1.
    Returns (B, C_out, T). The check tries several dilations, k = 1, and sequences shorter than the reach of the filter;
    it also sends single impulses through a stack of layers and looks where they come out.
    """
    # BEGIN SOLUTION
    reach = (weight.shape[-1] - 1) * dilation
    return F.conv1d(F.pad(x, (reach, 0)), weight, bias, dilation=dilation)  # (1)
    # END SOLUTION


# %% check="causal_conv1d" points=2
# Outputs of a causal convolution: plain, dilated, with one tap, and where it reaches past the beginning.
sequence, weight, bias = fresh(2, 3, 11), fresh(4, 3, 3), fresh(4)
check(
    plain=causal_conv1d(sequence, weight, bias),
    atol=1e-5,
    hint="k = 3, no dilation. Shape (2, 4, 9): no padding; (2, 4, 13): padded on both sides. Right shape, wrong "
    "numbers: padded on one side, but on which? Is the bias there?",
)
check(
    dilated=causal_conv1d(sequence, weight, bias, 3),
    atol=1e-5,
    hint="k = 3, dilation 3: the filter reaches 6 steps back, so 6 zeros are needed before the beginning.",
)
check(
    one_and_two_taps=torch.cat(
        [torch.as_tensor(causal_conv1d(sequence, weight[:, :, :k], bias, 2)) for k in (1, 2)], dim=1
    ),
    atol=1e-5,
    hint="k = 1 looks at the present only and needs no padding, whatever the dilation; k = 2 with dilation 2 needs 2.",
)
check(
    short=causal_conv1d(sequence[:, :, :4], weight, bias, 5),
    atol=1e-5,
    hint="Four time steps, and a filter that reaches ten steps back: what lies before the beginning is zero.",
)

# %% check="causal_conv1d" points=1
# Where impulses come out of three layers with dilations 1, 2 and 4.
echo = torch.eye(12)[:, None]  # (12, 1, 12): row s is an impulse at time s
for dilation in (1, 2, 4):
    echo = torch.as_tensor(causal_conv1d(echo, 1 + fresh(1, 1, 2).abs(), torch.zeros(1), dilation))
check(
    impulses=echo[:, 0],
    rtol=1e-4,
    hint="Row s holds the outputs for an impulse at time s: zero before s, and then up to 8 echoes, at s, s+1, ..., "
    "s+7. Something before s: the network sees the future. Echoes missing: too few zeros for the dilation.",
)

# %% [markdown]
# **Look.** Five layers of two taps each. Every row of a picture is an output, every column an input; dark
# means that the output depends on that input. Without dilation the memory is six steps long. With dilations 1, 2, 4, 8,
# 16 the same ten weights remember 32 steps.

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for ax, dilations in zip(axes, [(1, 1, 1, 1, 1), (1, 2, 4, 8, 16)], strict=True):
    echo = torch.eye(40)[:, None]
    for d in dilations:
        echo = causal_conv1d(echo, torch.ones(1, 1, 2), torch.zeros(1), d)
    ax.imshow((echo[:, 0].T != 0).float(), cmap="Blues", vmax=1.3)
    ax.set(xlabel="input time", ylabel="output time", title=f"dilations {', '.join(map(str, dilations))}")
    ax.grid(False)
plt.show()

# %% [markdown]
# ## 2 The gate
# **2 points · 6 minutes · easy**
#
# WaveNet and the gated PixelCNN replace the ReLU by a product. A layer computes twice as many channels as it needs; one
# half says *what*, the other says *how much of it* passes:
# $$\mathrm{gate}(h) = \tanh(a) \odot \sigma(b), \qquad h = [\,a\,;\,b\,] \tag{2}$$
# The channels are axis 1. **The first $C$ of the $2C$ channels are $a$, the last $C$ are $b$.** Which half is which
# is a convention, but weights trained under one convention are worthless under the other.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# `h.chunk(2, dim=1)` gives the two halves, whatever comes after the channels: nothing, time, or rows and columns.
#
# </details>


# %% task="gate" points=2 minutes=6
def gate(h):
    """The gated activation tanh(a) * sigmoid(b) of eq. (2).

    h: (B, 2C, ...) float, with no, one or two axes after the channels; a is h[:, :C] and b is h[:, C:].
    Returns (B, C, ...), a tensor of h's dtype that a next layer can take, and leaves h as it is.
    The check tries all three shapes, values of some hundreds, and a convolution after the gate.
    """
    # BEGIN SOLUTION
    a, b = h.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)  # (2)
    # END SOLUTION


# %% check="gate" points=2
# tanh of the first half times sigmoid of the second, for vectors, sequences and images.
h = fresh(3, 6, 4, 8)
check(
    images=gate(h),
    hint="Half the channels come back: shape (3, 3, 4, 8). Right shape, wrong numbers: tanh on the first half of the "
    "channels, sigmoid on the second? Halves, not every other channel?",
)
check(
    the_same_again=gate(h),
    hint="The same h a second time. Right the first time and wrong now: your function changes h in place.",
)
check(
    vectors_and_sequences=torch.cat([torch.as_tensor(gate(h[:, :, 0, 0])), torch.as_tensor(gate(h[:, :, 0]))[:, :, 3]]),
    hint="h of shape (3, 6) and (3, 6, 8). The channels are axis 1, not the last axis and not the third from the end.",
)
check(
    next_layer=F.conv1d(gate(100 * h[:, :, :, 0]), fresh(2, 3, 1)),
    atol=1e-5,
    hint="A convolution of gate(100 h). Large numbers saturate, and nothing is ever nan: is exp() of something large "
    "divided by itself? An error: the convolution takes a tensor of float32 only, no float64 and no numpy array.",
)

# %% [markdown]
# **Look.** A gate that is shut ($b = -4$) passes almost nothing, however large $a$ is.

# %%
a = torch.linspace(-4, 4, 81)
fig, ax = plt.subplots(figsize=(5.5, 2.8))
for b, color in ((-4.0, "C6"), (-1.0, "C4"), (0.0, DATA), (4.0, MODEL)):
    ax.plot(a, gate(torch.stack([a, torch.full_like(a, b)], dim=1))[:, 0], color=color, label=f"b = {b:.0f}")
ax.set(xlabel="a", ylabel="gate")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## 3 Masks A and B
# **3 points · 14 minutes · easy**
#
# Read an image like a page: row by row, from left to right. Pixel $(i, j)$ may see everything that was read before it:
# $$p(x) = \prod_{i,j} p\bigl(x_{ij} \mid x_{i'j'} \text{ with } i' < i, \text{ or } i' = i \text{ and } j' < j\bigr)
# \tag{3}$$
# In the plane the filter cannot simply be pushed to one side, for half of a row belongs to the past. So multiply its
# weights by a mask of zeros and ones. In a $k \times k$ filter the pixel stands in the middle, $m = (k-1)/2$:
# $$M_{rs} = \begin{cases} 1 & r < m, \text{ or } r = m \text{ and } s < m\\
# 0 \text{ (A)}, \;1 \text{ (B)} & r = s = m\\ 0 & \text{otherwise}\end{cases} \tag{4}$$
# The first layer uses mask **A**: it must not see the pixel that it predicts. The layers after it use **B**: at the
# centre they find features that already do not know that pixel. Two layers of A in a row would lose the left neighbour.
#
# Write the mask, then a layer that uses any mask it is given. The mask has to act at *every* call: an optimiser that
# moves the weights does not know about it.
#
# <details><summary>Hint 1: the idea of the layer</summary>
#
# Inherit from `nn.Conv2d`, which brings `weight` and `bias` and initialises them. Store the mask; in `forward` convolve
# with the *product* of weight and mask, which autograd follows. For the size to stay the same, an axis of $k$ weights
# needs $(k-1)/2$ zeros on each side.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `super().__init__(c_in, c_out, mask.shape[-2:], padding=...)`, with one number of zeros for the rows and one for the
# columns. A buffer (`register_buffer`) keeps the mask with the layer when it moves to another device, and out of the
# optimiser's hands. `F.conv2d(x, w, b, padding=...)` is the function to call in `forward`.
#
# </details>


# %% task="masked_conv" points=3 minutes=14
def conv_mask(k, kind):
    """The mask of eq. (4): (k, k) float of zeros and ones. k: odd int >= 1. kind: "A" or "B"."""
    # BEGIN SOLUTION
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1  # (4)
    return mask
    # END SOLUTION


class MaskedConv2d(nn.Conv2d):
    """A convolution that keeps the size of the image and whose weight is multiplied by a mask at every call.

    mask: (kh, kw), the same for all channels, or (c_out, c_in, kh, kw); kh and kw are odd and may differ.
    Parameters: weight (c_out, c_in, kh, kw) and bias (c_out,), both trained.
    forward: (B, c_in, H, W) -> (B, c_out, H, W).
    The check writes its own numbers into weight and bias after the layer was made, also where the mask is 0.
    """

    def __init__(self, c_in, c_out, mask):
        # BEGIN SOLUTION
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)
        # END SOLUTION

    def forward(self, x):
        # BEGIN SOLUTION
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)
        # END SOLUTION


# %% check="masked_conv" points=1
# Masks A and B of several sizes, each multiplied by a filter of random weights.
filters = [fresh(k, k) for k in (1, 3, 5, 7)]
check(
    mask_A=torch.cat([(torch.as_tensor(conv_mask(len(w), "A")) * w).flatten() for w in filters]),
    hint="k = 1, 3, 5, 7. Zero at the centre and from there on in raster order; one before it, the whole rows above "
    "included, right half too.",
)
check(
    mask_B=torch.cat([(torch.as_tensor(conv_mask(len(w), "B")) * w).flatten() for w in filters]),
    hint="B is A with a one at the centre. Nothing to the right of the centre, nothing below it.",
)

# %% check="masked_conv" points=2
# A layer that masks its weight at every call: outputs, and where an impulse comes out.


def masked_layer(c_in, c_out, mask):
    layer = MaskedConv2d(c_in, c_out, mask)
    with torch.no_grad():
        layer.weight.copy_(fresh(c_out, c_in, *mask.shape[-2:]))
        layer.bias.copy_(fresh(c_out))
    return layer


check(
    any_mask=masked_layer(2, 3, (fresh(3, 5) > 0).float())(fresh(2, 2, 6, 7)),
    atol=1e-5,
    hint="A mask of 3 rows and 5 columns. Another shape than (2, 3, 6, 7): one row of zeros above and below, two "
    "columns left and right. Wrong numbers: is the mask multiplied in at every call, and the bias added?",
)
check(
    mask_per_channel=masked_layer(2, 3, (fresh(3, 2, 3, 3) > 0).float())(fresh(1, 2, 4, 5)),
    atol=1e-5,
    hint="A mask of shape (c_out, c_in, kh, kw): the last two axes are the size of the filter.",
)
spots = torch.eye(20).view(20, 1, 4, 5)  # image n has one white pixel, the n-th in raster order
stack = nn.Sequential(masked_layer(1, 2, conv_mask(3, "A")), masked_layer(2, 1, conv_mask(3, "B")))
check(
    impulses=(stack(spots) - stack(torch.zeros(1, 1, 4, 5))).view(20, 20),
    rtol=1e-4,
    atol=1e-5,
    hint="Row n: what changes when pixel n turns white, after a layer A and a layer B. Nothing may change at pixel n "
    "or before it. If it does: the masks swapped, or masked once and then overwritten by the new weights?",
)
after = masked_layer(1, 1, conv_mask(5, "A"))
(after(fresh(4, 1, 6, 6)) ** 2).mean().backward()
torch.optim.SGD(after.parameters(), lr=0.1).step()
check(
    after_a_step=after(fresh(1, 1, 6, 6)),
    rtol=1e-4,
    atol=1e-4,
    hint="The layer after one step of gradient descent on weight and bias. Right before and wrong now: the gradient "
    "does not flow through the product of weight and mask, for instance because of .data, .detach() or no_grad.",
)

# %% [markdown]
# **Look.** What is left of a digit for the pixel marked in red: under a mask A of 7 x 7 the first layer sees what is
# bright. The blue part of its window is masked; what is dim lies outside, and only further layers can reach it.

# %%
fig, axes = plt.subplots(1, 4, figsize=(8, 2.3))
for ax, (i, j) in zip(axes, [(3, 4), (5, 8), (7, 6), (10, 9)], strict=True):
    shown = torch.stack([0.35 * drawn[1]] * 3, dim=-1)  # (14, 14, 3)
    window = shown[i - 3 : i + 4, j - 3 : j + 4]
    window /= 0.35
    window[conv_mask(7, "A") == 0] = torch.tensor([0.55, 0.7, 0.85])
    window[3, 3] = torch.tensor([0.8, 0.1, 0.1])
    ax.imshow(shown)
    ax.set_title(f"pixel ({i}, {j})")
    ax.set_axis_off()
plt.show()

# %% [markdown]
# ## 4 Colours have an order too
# **3 points · 16 minutes · hard**
#
# A coloured pixel is three numbers, and they too are predicted one after the other: red, then green given red, then
# blue given both. So every layer has its channels in three **groups**, and the groups are thirds in this order: of $C$
# channels (a multiple of 3) the first $C/3$ belong to red, the next $C/3$ to green, the last $C/3$ to blue,
# $$g(c) = \lfloor 3c / C \rfloor \in \{0, 1, 2\} \tag{5}$$
# At all pixels read before, everything is visible to everybody, whatever the colour. At the pixel itself only groups
# that came before are, and under mask B the own group as well:
# $$M_{c\,c'\,m\,m} = \begin{cases} 1 & g(c') < g(c)\\ 0 \text{ (A)}, \;1 \text{ (B)} & g(c') = g(c)\\ 0 & g(c') > g(c)
# \end{cases} \tag{6}$$
# with $c$ the output channel and $c'$ the input channel, as in PyTorch's weights. So under A red sees nothing of the
# current pixel, green sees red, blue sees red and green.
#
# <details><summary>Hint 1: the idea</summary>
#
# Away from the centre the mask is the one of task 3, repeated for all pairs of channels. Only one number a pair is left
# to decide. The groups of the outputs and of the inputs are computed separately: $C$ may differ.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.arange(c_out) * 3 // c_out` gives the groups of the outputs, shape (c_out,). Comparing a column with a row,
# `g_in[None, :] < g_out[:, None]`, gives the table (c_out, c_in) of (6). Write it to `mask[:, :, k // 2, k // 2]`.
#
# </details>


# %% task="colour_mask" points=3 minutes=16
def colour_mask(c_out, c_in, k, kind):
    """The mask of a convolution over coloured images, eq. (4) away from the centre and eq. (6) at it.

    c_out, c_in: multiples of 3, not necessarily equal; the first third of the channels is red, then green, then blue.
    k: odd int >= 1. kind: "A" or "B". Returns (c_out, c_in, k, k) float of zeros and ones.
    """
    # BEGIN SOLUTION
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in  # (5)
    mask[:, :, k // 2, k // 2] = g_in < g_out + (kind == "B")  # (6)
    return mask
    # END SOLUTION


# %% check="colour_mask" points=2
# Masks between layers of different width, each multiplied by random weights.
wide, narrow, single = fresh(9, 3, 3, 3), fresh(3, 12, 5, 5), fresh(6, 6, 1, 1)
check(
    first_layer=torch.as_tensor(colour_mask(9, 3, 3, "A")) * wide,
    hint="Kind A, 3 channels in, 9 out, k = 3. Right above and to the left, wrong at the centre: are rows the outputs? "
    "Are channels 0, 1, 2 of the output red (thirds), and not red, green, blue (every third)?",
)
check(
    later_layer=torch.as_tensor(colour_mask(3, 12, 5, "B")) * narrow,
    hint="Kind B, 12 channels in, 3 out, k = 5. Each group sees itself and the groups before it: 4, 8 and 12 inputs at "
    "the centre. The inputs have their own thirds: 12 / 3 channels each.",
)
check(
    centre_A=torch.as_tensor(colour_mask(6, 6, 1, "A")) * single,
    centre_B=torch.as_tensor(colour_mask(6, 6, 1, "B")) * single,
    hint="k = 1: only (6) is left. Under A the diagonal blocks are zero, under B they are one, above them all is zero.",
)

# %% check="colour_mask" points=1
# Gradients of red, green and blue of one pixel through three masked layers.
x = fresh(1, 3, 3, 4).requires_grad_()
features = x
for c_in, c_out, kind in ((3, 6, "A"), (6, 9, "B"), (9, 3, "B")):
    mask = torch.as_tensor(colour_mask(c_out, c_in, 3, kind), dtype=torch.float32)
    features = torch.tanh(F.conv2d(features, 0.5 * fresh(c_out, c_in, 3, 3) * mask, padding=1))
colours = [torch.autograd.grad(y, x, retain_graph=True)[0][0] for y in features[0, :, 1, 2]]
check(
    gradients=torch.stack(colours),
    rtol=1e-4,
    hint="For each of red, green and blue at pixel (1, 2): the gradient in all three colours of all pixels, after "
    "layers A, B, B. At the pixel itself red sees nothing, green sees red, blue sees red and green.",
)

# %% [markdown]
# **Look.** The neighbourhood that each colour of the centre sees, through a layer A and a layer B. White: all three
# colours of that pixel are seen. The centre is black for red, red for green, and yellow (red and green) for blue.

# %%
x = torch.zeros(1, 3, 7, 7, requires_grad=True)
torch.manual_seed(0)
two_layers = nn.Sequential(
    MaskedConv2d(3, 12, colour_mask(12, 3, 3, "A")), nn.Tanh(), MaskedConv2d(12, 3, colour_mask(3, 12, 3, "B"))
)
fig, axes = plt.subplots(1, 3, figsize=(7, 2.6))
for ax, colour, name in zip(axes, two_layers(x)[0, :, 3, 3], ("red", "green", "blue"), strict=True):
    seen = (torch.autograd.grad(colour, x, retain_graph=True)[0][0] != 0).float()  # (3, 7, 7)
    ax.imshow(seen.permute(1, 2, 0))
    ax.add_patch(plt.Rectangle((2.5, 2.5), 1, 1, fill=False, edgecolor="C5", lw=2))
    ax.set_title(f"seen by {name}")
    ax.set_axis_off()
plt.show()

# %% [markdown]
# ## 5 What does a network really see?
# **3 points · 14 minutes · medium**
#
# Do not trust the drawing of an architecture; ask the network. Pixel $(i', j')$ is in the **receptive field** of output
# $(i, j)$ if moving it moves the output:
# $$R_{i'j'} = \Bigl[\, \frac{\partial y_{c\,ij}}{\partial x_{c'\,i'j'}} \ne 0 \text{ for some output channel } c
# \text{ and input channel } c' \Bigr] \tag{7}$$
# A model is *valid* if $R$ holds nothing but pixels that were read before $(i, j)$. It is *complete* if it holds all of
# them. The second is measured by the **coverage**, the share of the allowed pixels that are seen:
# $$\mathrm{coverage}
# = \frac{\#\{(i',j') \text{ before } (i,j) : R_{i'j'}\}}{\#\{(i',j') \text{ before } (i,j)\}} \tag{8}$$
#
# (In the lecture $R$ and `receptive_field` are the *number* of inputs seen, and the coverage counts the pairs of many
# outputs at once. Here both belong to one output.) Two traps. Gradients have signs: what is added up before it is
# compared with zero may cancel. And `backward()` adds to whatever gradient is already there.
#
# <details><summary>Hint 1: the idea</summary>
#
# Take a copy of the input that wants a gradient, run the model, and differentiate the outputs at $(i, j)$, one channel
# at a time. Then look for anything that is not zero in all the gradients together.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `detach`, `clone` and `requires_grad_` make the copy; then for each `y` in `model(x)[0, :, i, j]` the call
# `torch.autograd.grad(y, x, retain_graph=True)[0]`, of shape (1, C, H, W), touches nothing but its result.
# For the coverage, number the pixels in raster order: `torch.arange(H * W).view(H, W)`.
#
# </details>


# %% task="receptive_field" points=3 minutes=14
def receptive_field(model, x, i, j):
    """The pixels on which the output at (i, j) depends, by its gradient at x, eq. (7).

    model: a function or module (1, C, H, W) -> (1, C', H, W), made of torch operations. x: (1, C, H, W) float.
    Returns (H, W) bool. Leaves x as it is. The check tries weights of both signs, output channels that are each
    other's negative, and several calls with the same x.
    """
    # BEGIN SOLUTION
    x = x.detach().clone().requires_grad_()
    outputs = model(x)[0, :, i, j]  # (C',)
    gradients = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in outputs])  # (C', C, H, W)
    return (gradients != 0).flatten(0, 1).any(0)  # (7)
    # END SOLUTION


def coverage(seen, i, j):
    """The share of the pixels before (i, j), in raster order, that are seen, eq. (8).

    seen: (H, W) bool; what it says about (i, j) itself and the pixels after it does not count.
    Returns a float in 0..1; 1 for the first pixel, before which there is nothing to miss.
    """
    # BEGIN SOLUTION
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0  # (8)
    # END SOLUTION


# %% check="receptive_field" points=2
# The receptive field of convolutions with random holes, of any sign, at several places.
bumps = 1e-4 * fresh(2, 2, 5, 5).abs() * (fresh(5, 5) > 0.2)
both_signs, x = 1e-4 * fresh(2, 2, 5, 5) * (fresh(2, 2, 5, 5) > 0.7), fresh(1, 2, 6, 8)


def seen_by(weight, i, j, head=lambda y: y):
    field = receptive_field(lambda images: head(F.conv2d(images, weight, padding=2)), x, i, j)
    return torch.as_tensor(field).double()


check(
    positive_weights=seen_by(bumps, 2, 5),
    hint="All weights are positive and small. Shape (6, 8) for an image of 6 rows and 8 columns. Shifted: is the "
    "output taken at row i, column j? Other numbers than 0 and 1: return what is not zero, as a map of bool. All zero: "
    "however small a gradient is, it counts.",
)
check(
    at_the_edges=torch.stack([seen_by(bumps, 5, 0), seen_by(bumps, 0, 7), seen_by(bumps, 3, 3)]),
    hint="Three places with the same x. Pixels of an earlier place turn up later: gradients pile up in x.grad from "
    "call to call. Work on a copy of x, or use torch.autograd.grad.",
)
check(
    both_signs=seen_by(both_signs, 2, 4, torch.tanh),
    hint="Weights of both signs, and other pixels for each pair of channels. Pixels are missing: a negative gradient "
    "counts as well, and so do all output channels and all input channels.",
)
opposite = torch.stack([both_signs[0], -both_signs[0]])
mirrored = torch.stack([bumps[:, 0], -bumps[:, 0]], dim=1)
check(
    what_cancels=torch.stack([seen_by(opposite, 3, 4), seen_by(mirrored, 3, 4), seen_by(both_signs[:1], 3, 4)]),
    hint="Two output channels of opposite sign, then two input channels of opposite sign: added up, their gradients "
    "are zero although the pixel is seen. Compare with zero first, then combine the channels. Also one output channel.",
)

# %% check="receptive_field" points=1
# The share of seen pixels among those that were read before.
maps = fresh(6, 5, 7) > 0.3
places = [(0, 3), (1, 0), (2, 4), (3, 6), (4, 1), (4, 6)]
check(
    inside=[float(coverage(seen, i, j)) for seen, (i, j) in zip(maps, places, strict=True)],
    hint="Six random maps. Before (i, j) lie i rows of W pixels and j more. Neither the pixel itself nor those after "
    "it count, in the numerator or in the denominator.",
)
check(
    ends=[
        float(coverage(seen, *place))
        for seen, place in zip(maps, [(0, 0), (0, 1), (0, 6), (2, 0), (3, 0), (4, 0)], strict=True)
    ],
    hint="The first pixel has nothing before it: 1, not nan and not 0. The others lie at the edges of the image.",
)

# %% [markdown]
# **Look.** Stacks of masked 3 x 3 convolutions, the first with mask A, the others with B. They are valid: nothing grey
# is seen. But red pixels are allowed and not seen. With two or four layers that is mostly a lack of depth; from
# eight layers on the same red triangle remains, however many follow. A masked 3 x 3 filter takes a step to the right
# only together with a step up, so a pixel that lies further to the right than it lies above is out of reach. This is
# the **blind spot**.


# %%
def show_field(ax, seen, i, j, title):
    """Orange: seen. Red: allowed, but not seen. Grey: not allowed. Black: the pixel itself."""
    kind = seen.flatten().long() + 1
    position = i * seen.shape[1] + j
    assert not seen.flatten()[position:].any(), "this model sees what it must not see"
    kind[position:] = 0
    kind[position] = 3
    kind = kind.view(seen.shape)
    ax.imshow(kind, cmap=ListedColormap(["#DDDDDD", "#B22222", "#F2A65A", "#000000"]), vmin=0, vmax=3)
    ax.set_title(f"{title}\ncoverage {coverage(seen, i, j):.3f}")
    ax.set_axis_off()


def plain_stack(layers, channels=8):
    """Masked 3 x 3 convolutions, the first with mask A."""
    torch.manual_seed(0)
    parts = [MaskedConv2d(1, channels, conv_mask(3, "A"))]
    for _ in range(layers - 1):
        parts += [nn.Tanh(), MaskedConv2d(channels, channels, conv_mask(3, "B"))]
    return nn.Sequential(*parts)


one_image = torch.zeros(1, 1, 14, 14)
fig, axes = plt.subplots(1, 4, figsize=(8, 2.6))
for ax, layers in zip(axes, (2, 4, 8, 16), strict=True):
    show_field(ax, receptive_field(plain_stack(layers), one_image, 8, 6), 8, 6, f"{layers} masked layers")
plt.show()

# %% [markdown]
# ## 6 Two stacks cure it
# **4 points · 24 minutes · hard**
#
# The cure is to separate the two kinds of past. A **vertical** stack $v$ looks at whole rows: it needs no mask, for
# rows above are past from end to end. A **horizontal** stack $h$ looks at the pixels to the left in its own row, and
# gets the rest handed over from the vertical stack. With $k$ odd, $m = (k-1)/2$ and both stacks of $C$ channels, one
# block is
# $$a_{ij} = \sum_{r=0}^{m} \sum_{s=-m}^{m} W^v_{rs}\, v_{i-m+r,\;j+s} + \beta^v, \qquad v' = \mathrm{gate}(a) \tag{9}$$
# $$b_{ij} = \sum_{s=0}^{m} W^h_{s}\, h_{i,\;j-m+s} + \beta^h + W^d a_{i-1,\,j}, \qquad
# h' = h + W^o\, \mathrm{gate}(b) + \beta^o \tag{10}$$
# and everything outside the image is zero, $a_{-1,j}$ included. Count the rows: $v'$ at row $i$ has seen rows up to
# **and including** $i$, its right half too, which is the future of $h$. Hence the handing over from $a_{i-1}$, one row
# further up. Forget that shift and the model cheats; its likelihood becomes wonderful and its samples noise.
#
# Where is mask A? Nowhere. The network around the blocks shifts the image by one pixel to the right when it enters $h$,
# and from then on "up to and including $j$" in $h$ means "before $j$" in the image.
#
# (The lecture's block differs in two points: its $v$ has a residual connection, and it hands down $v'$, after the gate.
# Here it is $a$, before the gate.) The constructor is given; write `forward`.
#
# <details><summary>Hint 1: the idea</summary>
#
# The three convolutions pad nothing themselves, so each needs the right zeros first, as in task 1. Where does each one
# look? The vertical one: $m$ rows up, $m$ columns to both sides. The horizontal one: $m$ columns to the left. The
# shift: one row of zeros on top, the last row dropped.
#
# </details>
#
# <details><summary>Hint 2: the order of the sides</summary>
#
# `F.pad(x, (left, right, top, bottom))`. The shift is a pad with one row on top and a slice `[:, :, :-1]`, or
# `F.pad(x, (0, 0, 1, -1))`, where a negative number cuts.
#
# </details>
#
# <details><summary>Hint 3: what is handed over</summary>
#
# $a$ with its $2C$ channels, *before* the gate, through the 1 x 1 convolution `self.down`. It is added to the
# horizontal stack's $2C$ channels before *their* gate. Only $h$ has the residual connection.
#
# </details>


# %% task="gated_block" points=4 minutes=24
class GatedBlock(nn.Module):
    """One block of a gated PixelCNN with a vertical and a horizontal stack, eqs. (9) and (10).

    channels: C. k: odd int >= 1. Submodules: vertical, horizontal, down, out, as below; `gate` is task 2's.
    forward: v (B, C, H, W), h (B, C, H, W) -> (v', h'), both (B, C, H, W). It leaves v and h as they are.
    The check fills all parameters with numbers of its own, and asks of which pixels of v and h the outputs know.
    """

    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))  # (9)
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))  # (10)
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        # BEGIN SOLUTION
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))  # (9)
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))  # (10)
        return gate(a), h + self.out(gate(b))
        # END SOLUTION


# %% check="gated_block" points=2
# Both outputs of a block whose parameters are given.


def block_of(channels, k, scale=0.4):
    block = GatedBlock(channels, k)
    with torch.no_grad():
        for _, parameter in sorted(block.named_parameters()):
            parameter.copy_(scale * fresh(*parameter.shape))
    return block


v, h = fresh(2, 3, 5, 6), fresh(2, 3, 5, 6)
block = block_of(3, 3)
check(
    vertical=block(v, h)[0],
    rtol=1e-4,
    atol=1e-5,
    hint="v' for k = 3. Wrong shape: one row of zeros above, one column left and right. Wrong numbers: zeros below "
    "instead of above? The gate, and no residual connection, for v.",
)
check(
    horizontal=block(v, h)[1],
    rtol=1e-4,
    atol=1e-5,
    hint="h' for k = 3. v' is right and this is wrong: the shift by one row, a before (not after) the gate, zeros to "
    "the left only, h added at the end, and neither v nor h changed by the call before.",
)
check(
    smallest=torch.cat(block_of(3, 1)(v, h)),
    larger=torch.cat(block_of(3, 5)(v, h)),
    rtol=1e-4,
    atol=1e-5,
    hint="k = 1 and k = 5: the numbers of zeros follow from self.m. For k = 1 nothing is padded but the shift stays.",
)

# %% check="gated_block" points=2
# Which pixels of v and of h the outputs know, and what a stack of blocks knows of the image.


def block_of(channels, k, scale=0.4):
    block = GatedBlock(channels, k)
    with torch.no_grad():
        for _, parameter in sorted(block.named_parameters()):
            parameter.copy_(scale * fresh(*parameter.shape))
    return block


i, j = (2 + torch.rand(2, generator=fresh_generator()) * torch.tensor([3, 4])).long().tolist()  # 2..4, 2..5
block, v, h = block_of(2, 5), fresh(1, 2, 7, 8), fresh(1, 2, 7, 8)


def knows(network, x):
    """(2, H, W): 1 where the output at (i, j), then at (0, j), changes with x, 0 elsewhere."""
    leaf = x.clone().requires_grad_()
    y = (network(leaf)[0] * torch.tensor([1.0, 1.7]).view(2, 1, 1)).sum(0)
    slopes = [torch.autograd.grad(y[row, j], leaf, retain_graph=True, materialize_grads=True)[0] for row in (i, 0)]
    return (torch.cat(slopes) != 0).any(1).double()


check(
    vertical_knows=knows(lambda v: block(v, h)[0], v),
    hint="Of v (k = 5), asked in the middle and in the first row: v' at (i, j) knows rows i-2 to i, two columns to "
    "both sides.",
)
check(
    handed_over=knows(lambda v: block(v, h)[1], v),
    hint="Of v: h' at (i, j) knows rows i-3 to i-1. If it knows row i of v, it knows what lies to the right of (i, j): "
    "the shift by one row is missing. If it knows the last row in the first: rolled, not shifted.",
)
check(
    horizontal_knows=knows(lambda h: block(v, h)[1], h),
    hint="Of h: h' at (i, j) knows (i, j) and two pixels to its left, and nothing else.",
)


blocks = [block_of(2, 5) for _ in range(4)]


def whole_network(x):
    v, h = x, F.pad(x, (1, -1))
    for one in blocks:
        v, h = one(v, h)
    return h


check(
    image_seen=knows(whole_network, fresh(1, 2, 7, 8)),
    hint="Four blocks, the image shifted to the right by one pixel where it enters h: exactly the pixels before (i, j) "
    "are known, all of them. Some after it: the model cheats. Some missing before it: a blind spot.",
)

# %% [markdown]
# **Look.** The same picture as before, now for stacks of your blocks: no red remains once the stack is
# deep enough, and nothing grey is touched. The network around the blocks is given. It has one output, the logit of
# "this pixel is white".


# %%
class PixelCNN(nn.Module):
    """A gated PixelCNN for black and white images: (B, 1, H, W) in {0, 1} -> logits (B, 1, H, W)."""

    def __init__(self, channels=16, k=5, blocks=4):
        super().__init__()
        self.to_v, self.to_h = nn.Conv2d(1, channels, 1), nn.Conv2d(1, channels, 1)
        self.blocks = nn.ModuleList(GatedBlock(channels, k) for _ in range(blocks))
        self.head = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    def forward(self, x):
        v, h = self.to_v(x), self.to_h(F.pad(x, (1, -1)))  # the shift that replaces mask A
        for block in self.blocks:
            v, h = block(v, h)
        return self.head(h)


fig, axes = plt.subplots(1, 4, figsize=(8, 2.6))
for ax, blocks in zip(axes, (2, 4, 8, 12), strict=True):
    torch.manual_seed(0)
    field = receptive_field(PixelCNN(8, 3, blocks), one_image + 0.5, 8, 6)
    show_field(ax, field, 8, 6, f"{blocks} gated blocks")
plt.show()

# %% [markdown]
# ## 7 How likely is an image?
# **2 points · 9 minutes · easy**
#
# All conditionals come out of one pass over the whole image, because each output sees only what it may. With
# $p_{ij} = \sigma(\ell_{ij})$ the probability that pixel $(i, j)$ is 1, the negative log-likelihood of an image is
# $$L(x) = -\sum_{i,j} \bigl(x_{ij} \ln p_{ij} + (1 - x_{ij}) \ln (1 - p_{ij})\bigr) \quad \text{nats} \tag{11}$$
# and, to compare images of different size, in bits per dimension
# $$\frac{L(x)}{D \ln 2}, \qquad D = \text{number of pixels} \tag{12}$$
# An honest model spends probability 1 on all images together. The check counts it: all 64 images of 2 x 3 pixels.
#
# <details><summary>Hint 1: the idea</summary>
#
# `torch.sigmoid` of a logit of 150 is exactly 1, and the logarithm of 1 - 1 is not what you want. There is a function
# that takes the logits themselves.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `F.binary_cross_entropy_with_logits(..., reduction="none")` gives one number a pixel; its default would average over
# everything. Sum over all axes but the first.
#
# </details>


# %% task="image_nll" points=2 minutes=9
def image_nll(logits, x):
    """Negative log-likelihood of each image in nats, eq. (11).

    logits: (B, 1, H, W) float, any real numbers. x: (B, 1, H, W) float, 0 or 1. Returns (B,), all finite.
    The check tries logits up to 300, and all images of 2 x 3 pixels.
    """
    # BEGIN SOLUTION
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)  # (11)
    # END SOLUTION


def bits_per_dim(nll, pixels):
    """Nats per image as bits per dimension, eq. (12). nll: (B,) float. pixels: int, D. Returns (B,)."""
    # BEGIN SOLUTION
    return nll / (pixels * math.log(2))  # (12)
    # END SOLUTION


# %% check="image_nll" points=1
# The probabilities of all 64 images of 2 x 3 pixels.
every = (torch.arange(64)[:, None] >> torch.arange(6)) % 2  # (64, 6): all of them
every = every.float().view(64, 1, 2, 3)
before = fresh(6, 6).tril(-1)  # row n: what pixel n makes of the pixels before it
logits = (every.flatten(1) @ before.T + fresh(6)).view(64, 1, 2, 3)
check(
    cumulative=(-torch.as_tensor(image_nll(logits, every))).exp().cumsum(0),
    rtol=1e-4,
    hint="Shape (64,), and the probabilities add up to 1. More: a mean over the pixels in place of the sum? bits in "
    "place of nats? Is the term for black pixels, (1 - x) ln(1 - p), there?",
)

# %% check="image_nll" points=1
# Nats of unlikely images, and bits per dimension.
x = (fresh(5, 1, 4, 6) > 0).float()
logits = 300 * fresh(5, 1, 4, 6).tanh()
check(
    far=image_nll(logits, x),
    rtol=1e-4,
    hint="Logits up to 300. inf or nan: the sigmoid was 0 or 1. Stops near 100 a pixel: PyTorch's binary_cross_entropy "
    "cuts logarithms off there. Use the logits.",
)
check(
    bits=bits_per_dim(50 + 10 * fresh(7), 24),
    rtol=1e-4,
    hint="Seven images of 24 pixels. A nat is 1.44 bits: divide by ln 2. Divided by the number of pixels?",
)

# %% [markdown]
# **Look.** Train it, for about half a minute. Two numbers to compare with. Above: a model with one probability for each
# pixel, fitted to the same data by counting, which knows nothing about neighbours. Below: the chance in drawing grey
# pixels black or white, $\sum_{ij} H(x_{ij} \mid \text{grey value})$. Even a model that knew the grey image could not
# do better than that, and ours does not know it.

# %%
torch.manual_seed(0)
model, coin = PixelCNN(), torch.Generator().manual_seed(0)
steps, curve, start = 800, [], time.perf_counter()
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.015, total_steps=steps)
for _ in progress(range(steps), stoppable=True):
    x = binarise(train[torch.randint(len(train), (16,), generator=coin)], generator=coin)  # new pixels every time
    nll = image_nll(model(x), x).mean()
    optimiser.zero_grad()
    nll.backward()
    optimiser.step()
    schedule.step()
    curve.append(nll.item())

x_test = binarise(held_out, generator=torch.Generator().manual_seed(1))
alone = (train.float().mean(0) / 255).clamp(1e-3, 1 - 1e-3).logit().expand(x_test.shape)  # one probability a pixel
with torch.no_grad():
    nats = {"pixels alone": image_nll(alone, x_test).mean(), "PixelCNN": image_nll(model(x_test), x_test).mean()}
g = held_out.double() / 255
nats["chance"] = -(torch.special.xlogy(g, g) + torch.special.xlogy(1 - g, 1 - g)).flatten(1).sum(1).mean()
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {time.perf_counter() - start:.0f} s")
for name, nll in nats.items():
    print(f"{name:14s}{nll:6.1f} nats a held-out digit, {bits_per_dim(nll, 196):.3f} bits per dimension")

fig, ax = plt.subplots(figsize=(8, 2.6))
ax.plot(torch.tensor(curve).unfold(0, 20, 20).mean(1).repeat_interleave(20), color=MODEL, label="PixelCNN, training")
ax.axhline(nats["PixelCNN"], color="k", lw=1, ls=":", label="held out, at the end")
ax.axhline(nats["pixels alone"], color=DATA, lw=1, label="pixels alone, held out")
ax.axhline(nats["chance"], color="C2", lw=1, label="chance in the drawing")
ax.set(xlabel="step", ylabel="nats a digit", ylim=(0, 100))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# From the first number to the second: that much the neighbours are worth. From the second to the third: that much, at
# most, is left for better models. How much of it can really be had, nobody knows.
#
# ## 8 Draw
# **2 points · 11 minutes · medium**
#
# Scoring took one pass. Drawing needs one for every pixel: the probability of a pixel depends on the pixels before it,
# and those have to be drawn first. With one uniform number $u_{ij}$ for each pixel, the image is determined:
# $$x_{ij} = \mathbb 1[u_{ij} < p_{ij}(x_{\text{before } ij})], \qquad \text{row by row, from left to right} \tag{13}$$
#
# <details><summary>Hint 1: the idea</summary>
#
# Start with any image, zeros say. At each pixel run the model on what there is, use its output *at that pixel only*,
# write the new pixel in. What lies further on does not matter: the model does not see it.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# Two loops, over rows outside and columns inside. In them `model(x)[:, :, i, j].sigmoid()` and one comparison, for all
# $B$ images at once. `with torch.no_grad():` around it all saves time and memory.
#
# </details>


# %% task="sample_images" points=2 minutes=11
def sample_images(model, u):
    """Draw images pixel by pixel in raster order, eq. (13).

    model: (B, 1, H, W) float in {0, 1} -> logits (B, 1, H, W); the logit of a pixel depends on those before it only.
    u: (B, 1, H, W) float in [0, 1), one number a pixel. Returns (B, 1, H, W) float: 1 where u < p, else 0.
    Leaves u as it is. The check uses models in which every pixel depends on all before it, and u equal to p.
    """
    # BEGIN SOLUTION
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                x[:, :, i, j] = u[:, :, i, j] < p  # (13)
    return x
    # END SOLUTION


# %% check="sample_images" points=2
# Images drawn with given uniform numbers by models in which every pixel depends on all pixels before it.


def causal_model(H, W):
    weights, bias = fresh(H * W, H * W).tril(-1), fresh(H * W)
    return lambda x: (x.float().flatten(1) @ weights.T + bias).view(-1, 1, H, W)


u = torch.rand(16, 1, 4, 5, generator=fresh_generator())
check(
    images=sample_images(causal_model(4, 5), u),
    hint="Sixteen images of 4 x 5. The first pixel right and later ones wrong: is the model run anew after each pixel? "
    "Rows outside, columns inside? Half of the pixels wrong from the start: u < p, with p the sigmoid of the logit.",
)
check(
    other_shape=sample_images(causal_model(7, 3), torch.rand(16, 1, 7, 3, generator=fresh_generator())),
    hint="Images of 7 rows and 3 columns: take the numbers of rows and columns from u.",
)
check(
    one_column=sample_images(causal_model(12, 1), torch.rand(16, 1, 12, 1, generator=fresh_generator())),
    hint="Images of 12 rows and a single column.",
)
table = 1000 * fresh(1, 1, 4, 5).round().clamp(-1, 1)  # p is 0, 1/2 or 1
check(
    ties=sample_images(lambda x: table.expand_as(x), (1 + (6 * u).floor()) / 8),
    hint="u is a multiple of 1/8 and p is 0, 1/2 or 1: a pixel is 1 where u < p, so not where u = p = 1/2.",
)

# %% [markdown]
# **Look.** Forty digits that nobody wrote, beside forty that somebody did.

# %%
u = torch.rand(40, 1, 14, 14, generator=torch.Generator().manual_seed(2))
start = time.perf_counter()
samples = sample_images(model, u)
print(f"{u[0].numel()} passes of the model, {time.perf_counter() - start:.1f} s for {len(u)} digits")
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6))
show_images(x_test[:40, 0], columns=8, ax=left, title="held-out digits")
show_images(samples[:, 0], columns=8, ax=right, title="drawn by the model")
plt.show()

# %% [markdown]
# Strokes are strokes, and some of the digits have names. The model was trained for half a minute; it has learned what
# neighbours do, and less of what a digit is.
#
# ## 9 Complete
# **2 points · 12 minutes · medium**
#
# The top of an image is known, the rest is lost. The product (3) makes completing as easy as drawing: walk along the
# raster as before, keep what is given, draw what is missing.
# $$x_{ij} = \begin{cases} \text{as given} & (i, j) \text{ known}\\ \mathbb 1[u_{ij} < p_{ij}(x_{\text{before } ij})]
# & \text{otherwise}\end{cases} \tag{14}$$
# If the known pixels come first in raster order, this draws from $p(\text{rest} \mid \text{known})$ exactly. Known
# pixels that come *later* are kept, but what is drawn before them has not seen them: then it is a guess made without
# them, not a sample of the conditional.
#
# <details><summary>Hint 1: the idea</summary>
#
# Which of the $B$ images has its pixel $(i, j)$ known may differ from image to image, so the choice is made by
# `torch.where(known, given, drawn)` at each pixel and not by an `if`.
#
# </details>
#
# <details><summary>Hint 2: what must not change</summary>
#
# `x` belongs to the caller, who will want to complete the same image again with other `u`. Write to a copy.
#
# </details>


# %% task="complete_images" points=2 minutes=12
def complete_images(model, x, known, u):
    """Keep the known pixels of x and draw the missing ones in raster order, eq. (14).

    model: as in task 8. x: (B, 1, H, W) float in {0, 1}; what it holds at missing pixels must not matter.
    known: (B, 1, H, W) bool, different for each image. u: (B, 1, H, W) float in [0, 1).
    Returns (B, 1, H, W) float in {0, 1}. Leaves x, known and u as they are; the check completes the same x twice.
    """
    # BEGIN SOLUTION
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = u[:, :, i, j] < p
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], drawn)  # (14)
    return x
    # END SOLUTION


# %% check="complete_images" points=2
# Given pixels are kept, missing ones are drawn in order from what is known by then.


def causal_model(H, W):
    weights, bias = fresh(H * W, H * W).tril(-1), fresh(H * W)
    return lambda x: (x.float().flatten(1) @ weights.T + bias).view(-1, 1, H, W)


network, x = causal_model(4, 5), (fresh(16, 1, 4, 5) > 0).float()
u = torch.rand(16, 1, 4, 5, generator=fresh_generator())
top = (torch.arange(20).view(4, 5) < 8).expand(16, 1, 4, 5)
scattered = fresh(16, 1, 4, 5) > 0
check(
    top_given=complete_images(network, x, top, u),
    hint="The first 8 pixels are given. If they changed: where known, the pixel of x stays. If the others are wrong: "
    "drawn in raster order, each with the given and the drawn pixels before it in place?",
)
check(
    scattered=complete_images(network, x, scattered, u),
    hint="Different pixels given in each image, and the same x as before. Given pixels lost: x was overwritten by the "
    "first call. Only some images wrong: one mask used for all.",
)
check(
    none_given=complete_images(network, x, torch.zeros_like(scattered), u),
    hint="Nothing known: the same as drawing from scratch. What x holds must not matter then.",
)
table = 1000 * fresh(1, 1, 4, 5).round().clamp(-1, 1)  # p is 0, 1/2 or 1
check(
    ties=complete_images(lambda x: table.expand_as(x), x, scattered, (1 + (6 * u).floor()) / 8),
    hint="u is a multiple of 1/8 and p is 0, 1/2 or 1: a missing pixel is 1 where u < p, so not where u = p = 1/2. Is "
    "x still what it was?",
)

# %% [markdown]
# **Look.** The upper half of eight held-out digits, each completed four times with other uniform numbers. Last row:
# what was really there.

# %%
eight = x_test[[0, 1, 2, 3, 4, 5, 6, 7]]
known = (torch.arange(14) < 7)[:, None].expand(32, 1, 14, 14)
u = torch.rand(32, 1, 14, 14, generator=torch.Generator().manual_seed(3))
completed = complete_images(model, eight.repeat(4, 1, 1, 1), known, u)
given = torch.where(known[:8], eight, 0.4)
show_images(torch.cat([given, completed, eight])[:, 0], columns=8, zoom=4, title="given, four completions, truth")
plt.show()

# %% [markdown]
# Where the upper half leaves no doubt the four agree; where it does, they disagree about what comes. Averages would
# be grey; each of these is a decision.
#
# ## What next
# The progress line under the last check shows your points; `grade check labs/04_pixelcnn.ipynb` in a terminal runs the
# notebook from top to bottom and lists what the badges would say.
#
# Sampling ran the whole network once for every pixel and threw nearly all of it away. Lecture 04 keeps what does not
# change and computes only what does, with identical images from the same uniform numbers.
#
# **Beyond, without points**
# 1. Give the model coordinates: two more input channels with the row and the column of each pixel (they are no secret,
#    so they need no mask). How many nats do they save, and where in the image?
# 2. Replace the shift in `GatedBlock` by nothing, train again, and look at both the likelihood and the samples.
#    Which of the two would have told you about the mistake?
# 3. Train a plain stack of masked convolutions with as many parameters. What does the blind spot cost in nats?
# 4. `sample_images` asks for one pass a pixel. Draw *all* pixels from the current logits again and again with the same
#    $u$, until nothing changes: the result is the same image. How many passes does it take?
# 5. Draw coloured patches: `natural_patches(n, 8)` of `utils.data`, each channel cut to black and white, a stack of
#    `MaskedConv2d` with `colour_mask`, and three logits a pixel.
