# %% [markdown]
# Answers to the task augment. One check of 3 points with five values (turned, scaled, shifted, together, device), one
# of 1 point with two (erased, unchanged).


# %% wrong="forward_map" points=1 why="hands over the map itself, not the way back: turns, scales and shifts the other way"
def warp(images, angle, scale, shift):
    c, d = angle.cos() * scale, angle.sin() * scale
    t = 2 * shift / images.shape[-1]
    theta = torch.stack([c, d, t[:, 0], -d, c, t[:, 1]], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="turned_the_other_way" points=2.2 why="forgets that y points down"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, (-angle).sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="scale_multiplies" points=2.2 why="multiplies theta by the scale"
def warp(images, angle, scale, shift):
    c, d = angle.cos() * scale, angle.sin() * scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="shift_not_turned_back" points=2.8 why="undoes the shift without turning and scaling it"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -x, d, c, -y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="shift_in_pixels" points=2.2 why="pixels handed to a grid that measures in half images"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = shift
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="shift_over_H" points=2.2 why="one image wide where the grid is two"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="half_of_the_corners" points=1 why="the grid with corners aligned, the sampling without"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=True)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="rows_and_columns" points=2.2 why="shifts down and to the right exchanged"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    y, x = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="first_amounts_for_all" points=1 why="one matrix for the whole batch"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    row = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)[:1]
    theta = row.expand(len(images), 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="nearest_pixel" points=1 why="no interpolation"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, mode="nearest", align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="border_repeated" points=1 why="repeats the border in place of zeros"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="own_device" points=3.4 why="builds its matrices on the default device and in its own precision"
def warp(images, angle, scale, shift):
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos() / scale
    theta[:, 1, 0] = angle.sin() / scale
    theta[:, 0, 1] = -angle.sin() / scale
    theta[:, :, 2] = -(theta[:, :, :2] @ (2 * shift / images.shape[-1])[:, :, None])[:, :, 0]
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="back_to_float32" points=3.4 why="a matrix in float32 whatever it was given"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3).float()
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="degrees" points=2.2 why="takes radians for degrees"
def warp(images, angle, scale, shift):
    angle = torch.deg2rad(angle)
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="holes_in_the_argument" points=3.5 why="erases in the images that it was given"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    for image, (top, left), (height, width) in zip(images, corner.tolist(), size.tolist(), strict=True):
        image[:, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 0
    return images


# %% wrong="slices_from_the_end" points=3 why="a negative corner counts from the other end"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    images = images.clone()
    for image, (top, left), (height, width) in zip(images, corner.tolist(), size.tolist(), strict=True):
        image[:, top : top + height, left : left + width] = 0
    return images


# %% wrong="box_moved_inside" points=3 why="moves a box that sticks out into the image"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    images = images.clone()
    for image, (top, left), (height, width) in zip(images, corner.clamp(min=0).tolist(), size.tolist(), strict=True):
        image[:, top : top + height, left : left + width] = 0
    return images


# %% wrong="one_pixel_more" points=3 why="the last row and column included"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows <= top + height) & (columns >= left) & (columns <= left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="a_cross" points=3 why="rows or columns of the box"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) | (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% wrong="box_kept" points=3 why="keeps the box and erases the rest"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (top, left), (height, width) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], images, 0.0)


# %% wrong="x_before_y" points=3 why="takes corner and size as column and row"
def warp(images, angle, scale, shift):
    c, d = angle.cos() / scale, angle.sin() / scale
    t = 2 * shift / images.shape[-1]
    x, y = t.unbind(1)
    theta = torch.stack([c, -d, -c * x + d * y, d, c, -d * x - c * y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def erase(images, corner, size):
    B, _, H, W = images.shape
    rows = torch.arange(H, device=images.device)[None, :, None]
    columns = torch.arange(W, device=images.device)[None, None, :]
    (left, top), (width, height) = corner[:, :, None, None].unbind(1), size[:, :, None, None].unbind(1)
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(hole[:, None], 0.0, images)


# %% right="inverse_matrix" why="inverts the whole map, with corners aligned in both calls; multiplies with a mask"
def warp(images, angle, scale, shift):
    H = images.shape[-1]
    forward = torch.eye(3, dtype=images.dtype, device=images.device).repeat(len(images), 1, 1)
    forward[:, 0, 0] = forward[:, 1, 1] = scale * angle.cos()
    forward[:, 0, 1] = scale * angle.sin()
    forward[:, 1, 0] = -scale * angle.sin()
    forward[:, :2, 2] = 2 * shift / (H - 1)
    theta = torch.linalg.inv(forward)[:, :2]
    return F.grid_sample(images, F.affine_grid(theta, images.size(), align_corners=True), align_corners=True)


def erase(images, corner, size):
    place = [torch.arange(n, device=images.device).expand(len(images), n) for n in images.shape[2:]]
    end = corner + size
    kept = [(p < corner[:, i : i + 1]) | (p >= end[:, i : i + 1]) for i, p in enumerate(place)]
    return images * (kept[0][:, None, :, None] | kept[1][:, None, None, :])


# %% right="image_by_image" why="a loop over the batch, each with its own small matrix; slices clamped at 0"
def warp(images, angle, scale, shift):
    out = []
    for image, a, s, t in zip(images, angle, scale, shift, strict=True):
        R = torch.stack([torch.stack([a.cos(), a.sin()]), torch.stack([-a.sin(), a.cos()])])
        back = R.T / s
        theta = torch.cat([back, -back @ (t / (image.shape[-1] / 2))[:, None]], dim=1)[None]
        grid = F.affine_grid(theta, image[None].shape, align_corners=False)
        out.append(F.grid_sample(image[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0])
    return torch.stack(out)


def erase(images, corner, size):
    result = images.clone()
    for b in range(len(images)):
        (top, left), (bottom, right) = corner[b].clamp(min=0), (corner[b] + size[b]).clamp(min=0)
        result[b, 0, top:bottom, left:right] = 0
    return result


# %% right="own_grid" why="no affine_grid: pixel coordinates by meshgrid, turned and scaled by hand"
def warp(images, angle, scale, shift):
    H = images.shape[-1]
    line = torch.arange(H, dtype=images.dtype, device=images.device) - (H - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    x, y = x - shift[:, 0, None, None], y - shift[:, 1, None, None]
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    where = torch.stack([c * x - s * y, s * x + c * y], dim=-1) / scale[:, None, None, None]
    return F.grid_sample(images, where / (H / 2), align_corners=False)


def erase(images, corner, size):
    H, W = images.shape[2:]
    y = torch.arange(H, device=images.device).view(1, 1, H, 1) - corner[:, 0].view(-1, 1, 1, 1)
    x = torch.arange(W, device=images.device).view(1, 1, 1, W) - corner[:, 1].view(-1, 1, 1, 1)
    h, w = size.view(-1, 2, 1, 1, 1).unbind(1)
    return images.masked_fill((y >= 0) & (y < h) & (x >= 0) & (x < w), 0)


# %% right="four_neighbours" why="bilinear interpolation written out, in float64, and back to the precision that was given"
def warp(images, angle, scale, shift):
    B, _, H, _ = images.shape
    line = torch.arange(H, dtype=torch.float64, device=images.device) - (H - 1) / 2
    a, s, (tx, ty) = angle.double()[:, None, None], scale.double()[:, None, None], shift.double().T[:, :, None, None]
    x, y = line[None, None, :] - tx, line[None, :, None] - ty
    u = (a.cos() * x - a.sin() * y) / s + (H - 1) / 2
    v = (a.sin() * x + a.cos() * y) / s + (H - 1) / 2
    result = images.new_zeros(B, H, H).double()
    batch = torch.arange(B, device=images.device)[:, None, None]
    for row in (v.floor(), v.floor() + 1):
        for column in (u.floor(), u.floor() + 1):
            weight = (1 - (v - row).abs()) * (1 - (u - column).abs())
            inside = (row >= 0) & (row < H) & (column >= 0) & (column < H)
            i, j = row.clamp(0, H - 1).long(), column.clamp(0, H - 1).long()
            result = result + weight * inside * images[batch, 0, i, j]
    return result[:, None].to(images.dtype)


def erase(images, corner, size):
    import numpy as np

    result = np.array(images.numpy(), copy=True)
    for image, (top, left), (h, w) in zip(result, corner.numpy(), size.numpy(), strict=True):
        for i in range(top, top + h):
            for j in range(left, left + w):
                if 0 <= i < image.shape[1] and 0 <= j < image.shape[2]:
                    image[0, i, j] = 0
    return torch.from_numpy(result)
