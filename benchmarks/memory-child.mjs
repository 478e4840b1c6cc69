// Opens, scans and compacts the database in a folder, or does nothing without one; prints the peak of its memory in KB.
import { existsSync, readFileSync } from 'node:fs'

const [folder] = process.argv.slice(2)
if (folder !== undefined) {
  const { openOurs } = await import('./stores.mjs')
  const { db, items } = await openOurs(folder)
  let count = 0
  for await (const item of items.find()) count += item.version
  await db.compact()
  await db.close()
  if (count === 0) throw new Error('nothing was scanned')
}
// What Node.js reports begins with the parent's peak; Linux itself knows better.
const status = '/proc/self/status'
const peak = existsSync(status) ? /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(status, 'utf8'))?.[1] : undefined
console.log(peak ?? process.resourceUsage().maxRSS)
