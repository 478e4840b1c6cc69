// The rows of the table, printed as they come.

/** Collects rows: of a comparison (`atLeast` a ratio to a peer, higher is better for us) or of an amount (`atMost`, in its unit). */
export class Report {
  rows = []
  #json

  constructor({ json }) {
    this.#json = json
  }

  /** Adds a row for each peer: `times` are milliseconds by contestant, ours among them. `targets`: by peer, the least ratio; null where there is none. */
  compare(row, times, targets) {
    const ours = times.get('ParqueDB')
    for (const [peer, atLeast] of Object.entries(targets)) {
      const ratio = times.get(peer) / ours
      this.#add({ row: `${row} / ${peer}`, ours: duration(ours), peer: duration(times.get(peer)), ratio: round(ratio), target: atLeast === null ? null : `>= ${atLeast}x`, met: atLeast === null ? null : ratio >= atLeast })
    }
  }

  /** Adds a row for each peer: how many times theirs ours may be at most. */
  compareAmount(row, { ours, unit }, peers) {
    for (const [peer, { amount, atMost }] of Object.entries(peers)) {
      const ratio = ours / amount
      this.#add({ row: `${row} / ${peer}`, ours: `${round(ours)} ${unit}`, peer: `${round(amount)} ${unit}`, ratio: round(ratio), target: `<= ${atMost}x`, met: ratio <= atMost })
    }
  }

  /** Adds a row that no peer is in. */
  amount(row, { ours, unit, atMost, atLeast }) {
    const target = atMost === undefined ? (atLeast === undefined ? null : `>= ${atLeast} ${unit}`) : `<= ${atMost} ${unit}`
    const met = target === null ? null : atMost === undefined ? ours >= atLeast : ours <= atMost
    this.#add({ row, ours: `${round(ours)} ${unit}`, peer: null, ratio: null, target, met })
  }

  get table() {
    const cells = this.rows.map(({ row, ours, peer, ratio, target, met }) => [row, ours, peer ?? '', ratio === null ? '' : `${ratio}x`, target ?? '', met === null ? '' : met ? 'yes' : '**no**'])
    return ['| row | ParqueDB | peer | ratio | target | met |', '|---|---|---|---|---|---|', ...cells.map((row) => `| ${row.join(' | ')} |`)].join('\n')
  }

  #add(row) {
    this.rows.push(row)
    console.log(this.#json ? JSON.stringify(row) : `${row.row.padEnd(72)} ${row.ours.padStart(12)} ${(row.peer ?? '').padStart(12)} ${row.ratio === null ? ''.padStart(8) : `${row.ratio}x`.padStart(8)}  ${(row.target ?? '').padEnd(16)} ${row.met === null ? '' : row.met ? 'met' : 'NOT MET'}`)
  }
}

function duration(ms) {
  return ms < 1 ? `${round(ms * 1000)} us` : `${round(ms)} ms`
}

/** Three digits that mean something. */
function round(value) {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
