import type { ErrorCode } from 'parquedb'

/** Events that the event-sourced backend is handed, past every collection. */
export const hostileEvents: readonly { readonly name: string; readonly event: unknown; readonly refusal: ErrorCode }[] = [
  ...[null, undefined, 1, 'CREATE', [], {}, { op: 'DROP', target: 'n:a' }, { op: 'create', target: 'n:a', after: {} }, { op: 'CREATE', target: 'n:b' }, { op: 'CREATE', target: 'n:b', after: {}, patch: {} }, { op: 'CREATE', target: 'n:b', after: {}, nope: 1 }].map((event) => ({ name: `the event ${JSON.stringify(event)}`, event, refusal: 'INVALID_ARGUMENT' as const })),
  ...['', 'n', ':a', 'n:', '../n:a', '$n:a', 'n/m:a', 'n:a\ud800', 1, null, `n:${'x'.repeat(1025)}`].map((target) => ({ name: `the target ${JSON.stringify(target).slice(0, 30)}`, event: { op: 'CREATE', target, after: {} }, refusal: 'INVALID_ARGUMENT' as const })),
  ...[{ actor: 'a\ud800' }, { actor: '' }, { id: 'a\udc00' }, { id: 'x'.repeat(1_001) }, { ts: -1 }, { ts: 1.5 }, { ts: NaN }, { ts: '2020' }, { ts: 2 ** 60 }, { version: 0 }, { version: '1' }].map((given) => ({ name: `an event with ${JSON.stringify(given).slice(0, 30)}`, event: { op: 'CREATE', target: 'n:b', after: {}, ...given }, refusal: 'INVALID_ARGUMENT' as const })),
  ...[{ set: { __proto__: null, ['__proto__.x']: 1 } }, { set: { 'a\\x': 1 } }, { set: { 'constructor.prototype.x': 1 } }, { set: { $where: 1 } }, { set: { a: { $gt: 1 } } }, { unset: ['__proto__'] }, { set: 1 }].map((patch) => ({ name: `the patch ${JSON.stringify(patch)}`, event: { op: 'UPDATE', target: 'n:a', patch }, refusal: 'VALIDATION_FAILED' as const })),
  ...[{ unset: 'a' }, { unset: [1] }, 1, { nope: 1 }].map((patch) => ({ name: `the patch ${JSON.stringify(patch)}`, event: { op: 'UPDATE', target: 'n:a', patch }, refusal: 'INVALID_ARGUMENT' as const })),
]
