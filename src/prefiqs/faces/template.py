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
_MIDDLES = np.mgrid[:FACE_SIZE:2, :FACE_SIZE:2][::-1].reshape(2, -1) + 0.5  # of four pixels each, x and y


def align_to_template(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp a photo so that its five landmarks (5×2, pixels) meet the ArcFace template; uint8 RGB 112×112×3."""
    transform = similarity_transform(landmarks, ARCFACE_TEMPLATE)
    # Photos that end inside the crop are continued by their edge: a black border is an edge no face has.
    return cv2.warpAffine(image, transform, (FACE_SIZE, FACE_SIZE), borderMode=cv2.BORDER_REPLICATE)


def share_outside(shape: tuple[int, ...], landmarks: np.ndarray) -> float:
    """Share of an aligned face, in [0, 1], that is not in the photo of `shape` (height, width, …), to about 0.01."""
    to_photo = cv2.invertAffineTransform(similarity_transform(landmarks, ARCFACE_TEMPLATE))
    x, y = to_photo[:, :2] @ _MIDDLES + to_photo[:, 2:] + 0.5  # a pixel reaches from its number to the next
    return float(1 - ((x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])).mean())


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
