# %% [markdown]
# Answers to the task slerp. One check of 2 points with four values (on_the_way, ends, lengths, angles_turned), one of 1
# point with two (mixed_angles, no_angle).


# %% wrong="straight_line" points=1 why="interpolates on the straight line: too short in the middle"
def slerp(z0, z1, t):
    t = t[:, None, None]
    return (1 - t) * z0 + t * z1


# %% wrong="stretched_line" points=1.5 why="the straight line, stretched to the right length: uneven angles"
def slerp(z0, z1, t):
    t = t[:, None, None]
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    return F.normalize((1 - t) * z0 / r0 + t * z1 / r1, dim=2) * ((1 - t) * r0 + t * r1)


# %% wrong="zero_by_zero" points=2 why="the formula as it stands: nan where the directions agree"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = torch.acos((u0 * u1).sum(1, keepdim=True))
    t = t[:, None, None]
    direction = (torch.sin((1 - t) * omega) * u0 + torch.sin(t * omega) * u1) / torch.sin(omega)
    return ((1 - t) * r0 + t * r1) * direction


# %% wrong="small_number_added" points=0.5 why="1e-4 added to the sine: no nan, and wrong at small angles"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = torch.acos((u0 * u1).sum(1, keepdim=True).clamp(-1, 1))
    t = t[:, None, None]
    direction = (torch.sin((1 - t) * omega) * u0 + torch.sin(t * omega) * u1) / (torch.sin(omega) + 1e-4)
    return ((1 - t) * r0 + t * r1) * direction


# %% wrong="lengths_not_separated" points=1 why="the weights applied to the codes themselves: the length bulges or sags"
def slerp(z0, z1, t):
    u0, u1 = F.normalize(z0, dim=1), F.normalize(z1, dim=1)
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return w0 * z0 + w1 * z1


# %% wrong="unit_length" points=0.5 why="never multiplies by the length"
def slerp(z0, z1, t):
    u0, u1 = F.normalize(z0, dim=1), F.normalize(z1, dim=1)
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return w0 * u0 + w1 * u1


# %% wrong="first_length_kept" points=0.5 why="keeps the length of z0 all the way"
def slerp(z0, z1, t):
    r0 = z0.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, F.normalize(z1, dim=1)
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return r0 * (w0 * u0 + w1 * u1)


# %% wrong="reversed" points=0.5 why="starts at z1"
def slerp(z0, z1, t):
    z0, z1 = z1, z0
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return ((1 - t) * r0 + t * r1) * (w0 * u0 + w1 * u1)


# %% wrong="one_decision_for_all" points=2.5 why="one small angle in the batch sends all pairs along the straight line"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = torch.acos((u0 * u1).sum(1, keepdim=True).clamp(-1, 1))
    t = t[:, None, None]
    if (omega < 1e-3).any():
        return (1 - t) * z0 + t * z1
    direction = (torch.sin((1 - t) * omega) * u0 + torch.sin(t * omega) * u1) / torch.sin(omega)
    return ((1 - t) * r0 + t * r1) * direction


# %% wrong="one_angle_for_all" points=1 why="the cosine summed over the whole batch"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = torch.acos((u0 * u1).sum(1).mean().clamp(-1, 1)).clamp(min=1e-4)
    t = t[:, None, None]
    direction = (torch.sin((1 - t) * omega) * u0 + torch.sin(t * omega) * u1) / torch.sin(omega)
    return ((1 - t) * r0 + t * r1) * direction


# %% wrong="cosine_of_the_codes" points=0.5 why="the cosine without dividing by the lengths"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    omega = torch.acos((z0 * z1).sum(1, keepdim=True).clamp(-1, 1)).clamp(min=1e-4)
    t = t[:, None, None]
    direction = (torch.sin((1 - t) * omega) * z0 / r0 + torch.sin(t * omega) * z1 / r1) / torch.sin(omega)
    return ((1 - t) * r0 + t * r1) * direction


# %% wrong="arc_sine" points=1 why="takes the angle for one below a right angle"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = torch.acos((u0 * u1).sum(1, keepdim=True).abs().clamp(max=1))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return ((1 - t) * r0 + t * r1) * (w0 * u0 + w1 * u1)


# %% wrong="pairs_in_front" points=0 why="shape (B, T, d)"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = z0 / r0, z1 / r1
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))
    return (((1 - t) * r0 + t * r1) * (w0 * u0 + w1 * u1)).transpose(0, 1)


# %% right="where" why="acos of the clamped cosine, and the limit for each pair whose angle is small"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = (z0 / r0).double(), (z1 / r1).double()
    omega = torch.acos((u0 * u1).sum(1, keepdim=True).clamp(-1, 1))
    small = omega < 1e-3
    safe = torch.where(small, 1.0, omega)
    t = t[:, None, None]
    w0 = torch.where(small, 1 - t, torch.sin((1 - t) * safe) / torch.sin(safe))
    w1 = torch.where(small, t, torch.sin(t * safe) / torch.sin(safe))
    return ((1 - t) * r0 + t * r1) * (w0 * u0 + w1 * u1)


# %% right="rotation" why="turns z0 within the plane of the two codes"
def slerp(z0, z1, t):
    out = torch.zeros(len(t), *z0.shape, dtype=torch.float64)
    for b in range(len(z0)):
        a, c = z0[b].double(), z1[b].double()
        u, v = a / a.norm(), c / c.norm()
        aside = v - (u @ v) * u
        omega = torch.atan2(aside.norm(), u @ v)
        aside = aside / aside.norm() if aside.norm() > 1e-12 else torch.zeros_like(u)
        for n, s in enumerate(t.double()):
            length = (1 - s) * a.norm() + s * c.norm()
            out[n, b] = length * (torch.cos(s * omega) * u + torch.sin(s * omega) * aside)
    return out


# %% right="threshold_of_game_engines" why="the usual code: cosine above 0.9999 means a straight line, in numpy"
def slerp(z0, z1, t):
    import numpy as np

    path = np.empty((len(t), *z0.shape))
    for b, (a, c) in enumerate(zip(z0.double().numpy(), z1.double().numpy(), strict=True)):
        ra, rc = np.linalg.norm(a), np.linalg.norm(c)
        cosine = np.dot(a / ra, c / rc)
        for n, s in enumerate(t.double().numpy()):
            if cosine > 0.9999:
                direction = (1 - s) * a / ra + s * c / rc
            else:
                angle = np.arccos(cosine)
                direction = (np.sin((1 - s) * angle) * a / ra + np.sin(s * angle) * c / rc) / np.sin(angle)
            path[n, b] = ((1 - s) * ra + s * rc) * direction
    return path


# %% right="time_by_time" why="one time after the other, stacked; the angle from both atan2 and the chord"
def slerp(z0, z1, t):
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u0, u1 = F.normalize(z0, dim=1), F.normalize(z1, dim=1)
    chord = (u1 - u0).norm(dim=1, keepdim=True)
    omega = 2 * torch.asin((chord / 2).clamp(max=1)).clamp(min=1e-7)
    steps = []
    for s in t.tolist():
        direction = (torch.sin((1 - s) * omega) * u0 + torch.sin(s * omega) * u1) / torch.sin(omega)
        steps.append(torch.lerp(r0, r1, s) * direction)
    return torch.stack(steps)
