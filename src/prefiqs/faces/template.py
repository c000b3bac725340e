"""The ArcFace template, and the similarity transform that brings a face onto it."""

import cv2
import numpy as np

from prefiqs.errors import InputError

# Eyes, nose tip and mouth corners (the left of the image first) in a 112×112 face: the template of ArcFace
# (Deng et al., CVPR 2019), which nearly all FR networks of the field are trained on.
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
FACE_SIZE = 112


def align_to_template(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp a photo so that its five landmarks (5×2, pixels) meet the ArcFace template; uint8 RGB 112×112×3."""
    transform = similarity_transform(landmarks, ARCFACE_TEMPLATE)
    # Photos that end inside the crop are continued by their edge: a black border is an edge no face has.
    return cv2.warpAffine(image, transform, (FACE_SIZE, FACE_SIZE), borderMode=cv2.BORDER_REPLICATE)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2×3 matrix that turns, scales and moves `source` (n×2) onto `target` with the least squared error.

    As in Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991,
    without reflections. In the plane, with complex numbers, it is the linear regression target = a · source + b.
    Raises `InputError` if the points of `source` are not finite, or all the same.
    """
    if not np.isfinite(source).all() or np.ptp(source, axis=0).max() == 0:
        raise InputError(f"Landmarks must be finite and distinct, not {np.asarray(source).tolist()}.")
    z, w = (np.ascontiguousarray(points, float).view(complex)[:, 0] for points in (source, target))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
