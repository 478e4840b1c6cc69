import { Command } from 'commander'

/** A command with what its help says: one line in the list of all, a sentence, and examples behind the options. */
export function command({ name, summary, description, examples = '' }: { name: string; summary: string; description: string; examples?: string }): Command {
  return new Command(name).summary(summary).description(description).addHelpText('after', examples)
}
