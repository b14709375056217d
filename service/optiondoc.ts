/** docs/options.md, made from the option table; a test compares the two. */
import { OPTION_KEYS, OPTION_TABLE, SECTIONS, type OptionRow, type Section } from './optiontable.js'

const INTRODUCTION = `# Options of \`tas\`

\`\`\`
tas --ip-addr=ADDR/PREFIXLEN --nic=NAME [OPTION]...
tas stat [--socket=PATH] [--json] [--interval=SECONDS]
tas state [--socket=PATH] [--json] [--flow=FLOW] [--watch]
tas trace [--socket=PATH] [--json | --pcapng=FILE] [--kind=KINDS] [--flow=FLOW]
tas scale [--socket=PATH] [--json] [WORKERS|auto]
tas run [--socket=PATH] [--] COMMAND [ARGUMENT]...
tas run --nic=NAME --ip-addr=ADDR/PREFIXLEN [OPTION]... [--] COMMAND [ARGUMENT]...
\`\`\`

Values are given as \`--name=value\` or \`--name value\`. Names, units and defaults are those of the original TAS (user guide, chapter 1.2)
unless the last column says otherwise. Numbers are plain decimal digits without separators.

[congestion-control.md](congestion-control.md) explains the algorithms of \`--cc\` and where each fits.

Exit codes: 0 after SIGTERM or SIGINT, 1 when the machine does not allow it (no such interface, no permission, socket in use), 2 when the
command line is wrong. In both cases of failure one line on stderr names the option or resource, what was wrong and what would be right.

This page is made from \`service/optiontable.ts\` (\`npx vitest run test/service/optiondoc.test.ts -u\` writes it anew).
`

const FOOTER = `
## Also

| option | meaning |
|---|---|
| \`--version\` | Print the version and exit. |
| \`--help\` | Print all options and exit. |

Environment: \`TAS_SOCKET\` is the default of \`--socket\`, in the service as in applications.
`

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function tableLine(row: OptionRow<unknown>): string {
  const name = `\`--${row.name}${row.value === '' ? '' : `=${row.value}`}\``
  return `| ${[name, row.unit, row.defaultText, row.meaning, row.departure].map(cell).join(' | ')} |`
}

function section(heading: Section): string {
  const rows = OPTION_KEYS.map((key) => OPTION_TABLE[key] as OptionRow<unknown>).filter((row) => row.section === heading)
  return [`\n## ${heading}\n`, '| option | unit | default | meaning | departure from the original |', '|---|---|---|---|---|',
    ...rows.map(tableLine), ''].join('\n')
}

/** The whole page. */
export function optionsMarkdown(): string {
  return INTRODUCTION + SECTIONS.map(section).join('') + FOOTER
}
