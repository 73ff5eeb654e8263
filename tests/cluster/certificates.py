"""Certificates for members, made with openssl: an authority of the test's own, and one certificate for all on the loopback."""
import os
import subprocess


def peer_tls(folder):
    """The flags with which members speak TLS to each other and ask for each other's certificates."""
    os.makedirs(folder, exist_ok=True)
    authority, member = os.path.join(folder, "ca"), os.path.join(folder, "peer")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    commands = [
        [*new, "-subj", "/CN=the test's authority", "-keyout", authority + ".key", "-out", authority + ".crt"],
        [*new, "-subj", "/CN=member", "-keyout", member + ".key", "-out", member + ".crt", "-CA", authority + ".crt", "-CAkey", authority + ".key",
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth,clientAuth", "-addext", "basicConstraints=critical,CA:FALSE"],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return [f"--peer-cert-file={member}.crt", f"--peer-key-file={member}.key", f"--peer-trusted-ca-file={authority}.crt", "--peer-client-cert-auth"]
