import { utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { decodeBase64, encodeBase64 } from '../model/base64.ts'

/** Signs the texts that callers carry from one answer to the next request, so that they cannot make or change one, nor give it to another tenant. */
export class Signer {
  readonly #key: Promise<CryptoKey>

  constructor(secret: Uint8Array) {
    this.#key = crypto.subtle.importKey('raw', Uint8Array.from(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  }

  /** `purpose` and `tenant` are part of what is signed. Safe in a URL. */
  async sign(text: string, scope: { purpose: string; tenant: string | undefined }): Promise<string> {
    const mac = await crypto.subtle.sign('HMAC', await this.#key, signed(text, scope))
    return `${text}.${encodeBase64(new Uint8Array(mac)).replaceAll('+', '-').replaceAll('/', '_').replace('=', '')}`
  }

  /** The text that was signed. INVALID_ARGUMENT naming the purpose for any other. */
  async verify(input: string, scope: { purpose: string; tenant: string | undefined }): Promise<string> {
    const at = input.lastIndexOf('.')
    const mac = decodeBase64(`${input.slice(at + 1).replaceAll('-', '+').replaceAll('_', '/')}=`)
    const text = input.slice(0, Math.max(at, 0))
    if (mac !== undefined && (await crypto.subtle.verify('HMAC', await this.#key, Uint8Array.from(mac), signed(text, scope)))) return text
    throw new ParqueDBError('INVALID_ARGUMENT', `The ${scope.purpose} cannot be used: it is not one that this server gave to you.`, { details: { option: scope.purpose } })
  }
}

function signed(text: string, { purpose, tenant = '' }: { purpose: string; tenant: string | undefined }): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(utf8Encode(JSON.stringify([purpose, tenant, text])))
}
