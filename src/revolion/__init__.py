"""revolion: which of your vision-language instruction-tuning data is worth training on."""
