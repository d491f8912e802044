"""Production on AWS written out, as a competent person would without Terrarium: the yardstick of `aws`."""
