import { seededRandom } from '../../src/base/random.ts'
import { isParqueDBError } from '../../src/base/ParqueDBError.ts'
import { fixedScript, nothingTold, problemsOf, runScript, type Told } from './fixed-script.ts'
import { SimulatedDisk, type DiskFile, type DiskFiles, type Failure, type Moment } from './SimulatedDisk.ts'

/** A state that the disk was in, and all that had been said by the end of it. */
interface Scene {
  readonly moment: Moment
  readonly told: Told
}

export interface Recording {
  readonly scenes: readonly Scene[]
  /** Moments, those at which nothing had changed since the one before included. */
  readonly momentCount: number
  /** Operations on the disk. */
  readonly operationCount: number
}

/** Runs the script once and keeps every state of the disk. A crash leaves one of them, so none has to be run into. */
export async function record(operationCount: number): Promise<Recording> {
  const disk = new SimulatedDisk()
  const told = nothingTold()
  const scenes: Scene[] = []
  let momentCount = 0
  disk.onMoment = (moment) => {
    momentCount++
    const scene = { moment, told: { ...told, begun: [...told.begun], acknowledged: [...told.acknowledged], erasing: [...told.erasing], erased: [...told.erased] } }
    // The last moment of a state is the one by which the most was promised.
    if (scenes.at(-1)?.moment.generation === moment.generation) scenes.pop()
    scenes.push(scene)
  }
  await runScript(fixedScript(operationCount), disk, told)
  return { scenes, momentCount, operationCount: disk.count }
}

export interface Findings {
  checked: number
  /** Power-loss images that were refused with CORRUPT_FILE. */
  refused: number
  readonly violations: string[]
}

/** The process dies at every moment of the script; the page cache survives. */
export async function crashEverywhere({ scenes }: Recording, every = 1): Promise<Findings> {
  const findings: Findings = { checked: 0, refused: 0, violations: [] }
  for (const [index, scene] of scenes.entries()) {
    if (index % every === 0) await look(scene, { files: scene.moment.files, findings, mayRefuse: false })
  }
  return findings
}

/** The power goes at every moment: of what was not synced anything may be there, in sectors, and the rest zeroes or rubbish. */
export async function losePowerEverywhere({ scenes }: Recording, images: { each: number; seed: number; every?: number }): Promise<Findings> {
  const findings: Findings = { checked: 0, refused: 0, violations: [] }
  const random = seededRandom(images.seed)
  const pick = (below: number): number => new DataView(random.bytes(4).buffer).getUint32(0) % below
  for (const [index, scene] of scenes.entries()) {
    if (index % (images.every ?? 1) !== 0) continue
    const isDirty = [...scene.moment.files.values()].some((file) => file.syncedBytes < file.bytes.length)
    for (let image = 0; image < (isDirty ? images.each : 1); image++) {
      const files = new Map([...scene.moment.files].map(([path, file]) => [path, image === 0 ? cut(file, file.syncedBytes) : torn(file, pick)]))
      await look(scene, { files, findings, mayRefuse: true })
    }
  }
  return findings
}

/** Every operation of the script fails once, before or after it is done, in a process that lives on or dies of it; the script goes on to its end. */
export async function failEverywhere(operationCount: number, at: { outcome: 'fails' | 'dies'; when: 'before' | 'after'; every?: number }): Promise<Findings> {
  const findings: Findings = { checked: 0, refused: 0, violations: [] }
  const steps = fixedScript(operationCount)
  for (let nth = 1; ; nth += at.every ?? 1) {
    const disk = new SimulatedDisk()
    const told = nothingTold()
    let isMet = false
    const failure: Failure = ({ nth: found, when }) => {
      if (isMet || found !== nth || when !== at.when) return undefined
      isMet = true
      return at.outcome
    }
    disk.failure = failure
    const where = `an operation that ${at.outcome} ${at.when} it is done, number ${nth}`
    try {
      await runScript(steps, disk, told)
      if (disk.count < nth) return findings
      // An operation that fails by itself has no moment after it is done.
      if (!isMet) continue
      findings.checked++
      if (told.acknowledged.length !== told.begun.length) findings.violations.push(`${where}: not everything could be done`)
      findings.violations.push(...(await problemsOf(new SimulatedDisk(disk.files), told)).map((problem) => `${where}: ${problem}`))
    } catch (error) {
      findings.violations.push(`${where}: ${String(error)}`)
    }
  }
}

async function look(scene: Scene, to: { files: DiskFiles; findings: Findings; mayRefuse: boolean }): Promise<void> {
  const { when, operation, nth } = scene.moment
  const { findings } = to
  findings.checked++
  try {
    for (const problem of await problemsOf(new SimulatedDisk(to.files), scene.told)) findings.violations.push(`${when} operation ${nth}, ${operation}: ${problem}`)
  } catch (error) {
    if (to.mayRefuse && isParqueDBError(error, 'CORRUPT_FILE')) findings.refused++
    else findings.violations.push(`${when} operation ${nth}, ${operation}: ${String(error)}`)
  }
}

const sectorBytes = 512

/** A file of which anything that was not synced may be lost: its length is anywhere, and each sector may hold zeroes or what lay there before. */
function torn(file: DiskFile, pick: (below: number) => number): DiskFile {
  const { bytes, syncedBytes } = file
  if (syncedBytes === bytes.length) return file
  const length = pick(2) === 0 ? bytes.length : syncedBytes + pick(bytes.length - syncedBytes + 1)
  const kept = bytes.slice(0, length)
  for (let start = syncedBytes; start < length; ) {
    const end = Math.min(length, (Math.floor(start / sectorBytes) + 1) * sectorBytes)
    const fate = pick(3)
    if (fate === 1) kept.fill(0, start, end)
    if (fate === 2) for (let at = start; at < end; at++) kept[at] = pick(256)
    start = end
  }
  return { ...file, bytes: kept, syncedBytes: length }
}

function cut(file: DiskFile, length: number): DiskFile {
  return { ...file, bytes: file.bytes.slice(0, length) }
}
