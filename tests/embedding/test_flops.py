"""What a network costs: the quick count equals PyTorch's where all work is in convolutions and linear layers."""

from small_networks import small_vit

from prefiqs.embedding.flops import flops, rough_flops
from prefiqs.models.loading import load_model


def test_both_counts_agree_on_convolutional_networks(tiny, sface):
    assert rough_flops(tiny) == flops(tiny)
    assert rough_flops(sface) == flops(sface)


def test_attention_is_left_out():
    vit = small_vit()
    assert 0.5 * flops(vit) < rough_flops(vit) < flops(vit)


def test_a_graph_without_layers_costs_nothing(assets):
    assert rough_flops(load_model("mobilefacenet-192", device="cpu")) == 0
