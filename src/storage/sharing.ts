import type { SharedSession } from './SharedSession.ts'

/** How processes share one store: its backend brings it. Whoever has no store that can be shared, as Workers, does without so much code. */
export const sharing: { open: typeof SharedSession.open | undefined } = { open: undefined }
