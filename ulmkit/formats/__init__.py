"""What people have, as documents: bytes of any kind are recognised, unpacked and read, within limits."""
