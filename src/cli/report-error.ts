import { isParqueDBError } from '../base/ParqueDBError.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Terminal } from './Terminal.ts'

export interface ReportOptions {
  readonly json: boolean
  /** Also the stack and what caused it. */
  readonly verbose: boolean
  readonly exitCode: ExitCode
}

/** Says on stderr what ended a command: one line for people, one JSON object for machines. */
export function reportError(terminal: Terminal, error: unknown, options: ReportOptions): void {
  const { code, message, details } = facts(error)
  if (options.json) {
    const more = options.verbose ? { stack: stackOf(error) } : {}
    terminal.complain(JSON.stringify({ code, message, details, exitCode: options.exitCode, ...more }))
    return
  }
  terminal.complain(`parquedb: ${code}: ${oneLine(message)}`)
  if (options.verbose) terminal.complain(stackOf(error))
}

function facts(error: unknown): { code: string; message: string; details: unknown } {
  if (isParqueDBError(error)) return { code: error.code, message: error.message, details: error.details }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'INTERNAL', message: `${message} (--verbose shows where; please report it)`, details: {} }
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ')
}

function stackOf(error: unknown): string {
  const lines: string[] = []
  for (let each: unknown = error; each !== undefined && lines.length < 10; each = each instanceof Error ? each.cause : undefined) {
    lines.push(each instanceof Error ? (each.stack ?? each.message) : JSON.stringify(each))
  }
  return lines.join('\ncaused by: ')
}
