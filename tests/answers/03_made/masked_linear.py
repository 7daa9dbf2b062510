# %% [markdown]
# Answers to the task masked_linear. One check of 1 point (output, other_masks), one of 1 point (gradient_in_weight,
# gradient_in_bias_and_input).

# %% wrong="mask_forgotten" points=0 why="an ordinary linear layer; the gradient of the bias does not know of the mask, that of x does"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight, self.bias)


# %% wrong="weights_switched_off_for_good" points=1.5 why="weight.data *= mask: the next mask finds dead weights"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        self.weight.data *= mask
        return F.linear(x, self.weight * mask, self.bias)


# %% wrong="weights_switched_off_gradients_not" points=1 why="the weights are zeroed in place, but their gradients are not masked"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        self.weight.data *= mask
        return F.linear(x, self.weight, self.bias)


# %% wrong="bias_forgotten" points=0.5 why="no bias"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight * mask)


# %% wrong="bias_masked" points=0.5 why="units that hear nobody lose their bias, others get it several times"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight * mask) + (self.bias[:, None] * mask).mean(1)


# %% wrong="mask_of_the_complement" points=0 why="keeps what should go"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight * (1 - mask), self.bias)


# %% wrong="first_mask_kept" points=1.5 why="stores the masked weights at the first call"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        if not hasattr(self, "mask"):
            self.mask = mask
        return F.linear(x, self.weight * self.mask, self.bias)


# %% wrong="weights_in_the_mask" points=1.5 why="multiplies the caller's mask in place and so hands weights to the next call"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        mask *= self.weight.detach()
        return F.linear(x, self.weight * mask / self.weight.detach(), self.bias)


# %% wrong="detached" points=1.5 why="computes with .data: no gradient reaches the weights"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight.data * mask, self.bias)


# %% wrong="transposed_mask" points=0 why="the mask as (inputs, outputs)"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight * mask.T, self.bias)


# %% wrong="inputs_masked" points=0 why="takes an input away from all units if some unit may not see it"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x * mask.amin(0), self.weight, self.bias)


# %% wrong="minus_infinity" points=0.5 why="masks as attention does, with -inf before a softmax that is not there"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight.masked_fill(mask == 0, float("-inf")), self.bias)


# %% wrong="scaled_to_make_up" points=0 why="divides by the number of inputs heard"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return F.linear(x, self.weight * mask / mask.sum(1, keepdim=True).clamp(min=1), self.bias)


# %% right="matrix_product" why="x times the transpose, plus the bias"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return x @ (self.weight * mask).T + self.bias


# %% right="where" why="zeros put in by where"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        weight = torch.where(mask.bool(), self.weight, torch.zeros_like(self.weight))
        return torch.addmm(self.bias, x, weight.t())


# %% right="own_parameters" why="a plain module with parameters of its own"
class MaskedLinear(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / n_in**0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x, mask):
        return torch.einsum("ni,oi,oi->no", x, self.weight, mask) + self.bias


# %% right="unit_by_unit" why="a loop over the output units"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        units = [(x * (self.weight[k] * mask[k])).sum(1) + self.bias[k] for k in range(self.out_features)]
        return torch.stack(units, dim=1)


# %% right="masked_fill" why="the boolean way, and the parent's forward avoided"
class MaskedLinear(nn.Linear):
    def forward(self, x, mask):
        return nn.functional.linear(x, self.weight.masked_fill(mask == 0, 0.0)) + self.bias[None]
