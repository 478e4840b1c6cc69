import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose'
import { toHex, utf8Encode } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import { tenantPattern } from '../model/database.ts'
import { parseScope, readScope, type Principal, type Scope } from './scopes.ts'

export interface JwtAuth {
  /** The keys that sign tokens, inline: nothing is fetched, and no token can name a key of its own. */
  readonly jwks: JSONWebKeySet
  /** The only algorithms that are taken. Default: the ones with a public key, EdDSA, ES256 and RS256. */
  readonly algorithms?: readonly string[]
  readonly issuer: string
  readonly audience: string
  /** The claim with the scopes, as a list or as words in one text. Default 'scope'. */
  readonly scopeClaim?: string
  /** The claim that names the tenant, whose collections are then the only ones that there are. Default: no tenants. */
  readonly tenantClaim?: string
}

/** A long random key that a caller sends as it is, and of which the server knows the hash only. */
export interface KeyAuth {
  /** SHA-256 of the key in lower-case hex: `printf %s "$KEY" | sha256sum`. */
  readonly sha256: string
  /** Who it is: the actor of what is written with it. */
  readonly subject: string
  /** 'verb:namespace'; see docs/guides/http.md. */
  readonly scopes: readonly string[]
  readonly tenant?: string
}

/** 'none' lets everybody do everything: for a server that nobody else can reach. */
export type AuthOptions = 'none' | { readonly jwt?: JwtAuth; readonly keys?: readonly KeyAuth[] }

/** UNAUTHORIZED unless the request carries a token that is accepted. */
export type Authenticate = (request: Request) => Promise<Principal>

const asymmetric = ['EdDSA', 'ES256', 'RS256']
/** Longer ones are not looked at. Characters. */
const tokenLengthMax = 8192

/** Checks what an operator configured: INVALID_ARGUMENT. Nothing is let in that was not asked for. */
export function makeAuthenticate(auth: AuthOptions | undefined, clock: Clock): Authenticate {
  if (auth === 'none') return async () => ({ subject: undefined, tenant: undefined, scopes: [{ verb: '*', namespace: '*' }] })
  const byJwt = auth?.jwt === undefined ? undefined : jwtPrincipal(auth.jwt, clock)
  const byKey = auth?.keys === undefined ? undefined : keyPrincipal(auth.keys)
  if (byJwt === undefined && byKey === undefined) throw invalid("The server needs an 'auth': { jwt }, { keys }, or 'none' where nobody else can reach it.")
  return async (request) => {
    const token = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
    if (token === undefined || token.length > tokenLengthMax) throw unauthorized("The request needs the header 'Authorization: Bearer <token>'.")
    const principal = byKey?.(token) ?? (await byJwt?.(token))
    if (principal === undefined) throw unauthorized('The bearer token is not known.')
    return principal
  }
}

function keyPrincipal(keys: readonly KeyAuth[]): (token: string) => Principal | undefined {
  const known = keys.map(({ sha256: hash, subject, scopes, tenant }) => {
    if (!/^[0-9a-f]{64}$/.test(hash)) throw invalid(`The key of '${subject}' must be given as the SHA-256 of it, 64 lower-case hex digits.`)
    if (tenant !== undefined && !tenantPattern.test(tenant)) throw invalid(`The tenant of '${subject}' must match ${tenantPattern.source}.`)
    return { hash: utf8Encode(hash), principal: { subject, tenant, scopes: scopes.map(parseScope) } }
  })
  return (token) => {
    const hash = utf8Encode(toHex(sha256(utf8Encode(token))))
    let found: Principal | undefined
    // Every hash is compared whole, so that the time tells neither which one is near nor how near.
    for (const each of known) if (differenceOf(each.hash, hash) === 0) found = each.principal
    return found
  }
}

function differenceOf(left: Uint8Array, right: Uint8Array): number {
  return left.reduce((difference, byte, index) => difference | (byte ^ (right[index] ?? 0)), 0)
}

function jwtPrincipal(options: JwtAuth, clock: Clock): (token: string) => Promise<Principal> {
  const { jwks, issuer, audience, algorithms = asymmetric, scopeClaim = 'scope', tenantClaim } = options
  if (!issuer || !audience) throw invalid("auth.jwt needs an 'issuer' and an 'audience'.")
  const key = createLocalJWKSet(jwks)
  return async (token) => {
    const rules = { issuer, audience, algorithms: [...algorithms], requiredClaims: ['exp'], currentDate: new Date(clock.nowMs()) }
    const { payload } = await jwtVerify(token, key, rules).catch((cause: unknown) => {
      const reason = cause instanceof errors.JOSEError ? cause.code : 'ERR_TOKEN'
      throw unauthorized(reason === 'ERR_JWT_EXPIRED' ? 'The bearer token has expired.' : 'The bearer token is not accepted.', { details: { reason }, cause })
    })
    return { subject: payload.sub, tenant: tenantOf(payload, tenantClaim), scopes: scopesOf(payload[scopeClaim]) }
  }
}

function scopesOf(claim: unknown): Scope[] {
  const texts: unknown[] = Array.isArray(claim) ? claim : typeof claim === 'string' ? claim.split(' ') : []
  return texts.map(readScope).filter((scope) => scope !== undefined)
}

function tenantOf(payload: JWTPayload, claim: string | undefined): string | undefined {
  if (claim === undefined) return undefined
  const tenant = payload[claim]
  if (typeof tenant === 'string' && tenantPattern.test(tenant)) return tenant
  throw unauthorized(`The bearer token names no tenant in its claim '${claim}'.`)
}

function unauthorized(message: string, options?: ConstructorParameters<typeof ParqueDBError>[2]): ParqueDBError {
  return new ParqueDBError('UNAUTHORIZED', message, options)
}

function invalid(message: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', message, { details: { option: 'auth' } })
}
