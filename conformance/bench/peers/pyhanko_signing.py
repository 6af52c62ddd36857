"""Signs one document many times with pyHanko (PAdES B-B, P-256 key in memory) and prints the rate as JSON.

Runs in the judges' interpreter: `pyhanko_signing.py DOCUMENT CERTIFICATE KEY TIMES`.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter


def main() -> None:
    document, certificate, key, times = Path(sys.argv[1]).read_bytes(), sys.argv[2], sys.argv[3], int(sys.argv[4])
    signer = signers.SimpleSigner.load(key, certificate)
    metadata = signers.PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256", reason="Approved",
                                            subfilter=SigSeedSubFilter.PADES)

    def sign() -> None:
        writer = IncrementalPdfFileWriter(io.BytesIO(document))
        signers.sign_pdf(writer, metadata, signer=signer, output=io.BytesIO())

    sign()
    began = time.monotonic()
    for _ in range(times):
        sign()
    print(json.dumps({"rate": times / (time.monotonic() - began)}))


main()
