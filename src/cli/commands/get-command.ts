import { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { CommandLine } from '../CommandLine.ts'
import { archivedOption, atOption, given } from '../options.ts'
import { printEntity } from '../print-entity.ts'

const examples = `
Examples:
  parquedb get users alice --db data
  parquedb get users alice --at 2026-03-01T12:00:00Z
  parquedb get users alice --at 1041          the state after event 1041, as 'parquedb log' numbers them`

export function getCommand(cli: CommandLine): Command {
  return new Command('get')
    .summary('one document, now or at an earlier time')
    .description('Prints one document. Exit code 3 when there is none.')
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id, with or without the collection before it')
    .addOption(atOption())
    .option('--deleted', 'also when it is deleted')
    .addOption(archivedOption())
    .addHelpText('after', examples)
    .action(async (ns: string, id: string, { at, deleted, includeArchived }: { at?: number | string; deleted?: boolean; includeArchived?: boolean }) => {
      await cli.read(async (db) => {
        const entity = await db.collection(ns).get(id, given({ asOf: at, includeDeleted: deleted, includeArchived }))
        if (entity === undefined) throw noSuchDocument({ ns, id, at })
        await printEntity(cli.terminal, entity)
      })
    })
}

export function noSuchDocument({ ns, id, at }: { ns: string; id: string; at?: number | string | undefined }): ParqueDBError {
  const $id = id.startsWith(`${ns}/`) ? id : `${ns}/${id}`
  const when = at === undefined ? '' : ` at ${typeof at === 'number' ? `seq ${at}` : at}`
  return new ParqueDBError('NOT_FOUND', `there is no ${$id}${when}; 'parquedb history' shows what it was, 'parquedb find' what there is`, { details: { $id } })
}
