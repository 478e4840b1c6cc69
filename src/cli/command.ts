import { Command } from 'commander'

/** Arguments that mean the same in every command. */
const argumentTexts: { readonly [argument: string]: string } = { '<ns>': 'the collection', '<id>': 'its id, with or without the collection before it' }

/** A command with what its help says: one line in the list of all, a sentence, and behind the options examples, a line each, with notes after a blank line. Its name may be followed by arguments: 'get <ns> <id>'. */
export function command({ name, summary, description, examples = '' }: { name: string; summary: string; description: string; examples?: string }): Command {
  const [word, ...words] = name.split(' ')
  const made = new Command(word).summary(summary).description(description).addHelpText('after', examples && `\n${/^\n.+\n./.test(examples) ? 'Examples' : 'Example'}:${examples}`)
  for (const argument of words) made.argument(argument, argumentTexts[argument])
  return made
}
