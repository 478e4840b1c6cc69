import type { DatabaseCollection } from '../../model/database.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, lastSeq, timeless } from './observe.ts'

interface Account {
  owner: string
  balance: number
}

export function transactionTests(test: DatabaseTest, { expect }: TestTools): void {
  test('all of a transaction is there afterwards, across collections, as one commit', async ({ db, reopen }) => {
    await db.collection<Account>('accounts').create({ $id: 'a', owner: 'Ada', balance: 10 })
    const result = await db.transaction(
      async (tx) => {
        await tx.collection<Account>('accounts').update('a', { $inc: { balance: -3 } })
        await tx.collection('log').create({ $id: 'l1', amount: 3 })
        await tx.collection('log').createMany([{ $id: 'l2' }, { $id: 'l3' }])
        await tx.collection('log').delete('l3')
        return 'done'
      },
      { actor: 'bank' },
    )
    expect(result).toBe('done')
    const again = await reopen()
    expect(timeless(await again.collection('accounts').get('a'))).toEqual({ $id: 'accounts/a', version: 2, updatedBy: 'bank', owner: 'Ada', balance: 7 })
    expect((await again.collection('log').find().toArray()).map(({ $id }) => $id)).toEqual(['log/l1', 'log/l2'])
    const commit = []
    for await (const { seq, op, ts } of again.events({ fromSeq: 2 })) commit.push({ seq, op, ts })
    expect(commit.map(({ op }) => op)).toEqual(['UPDATE', 'CREATE', 'CREATE', 'CREATE', 'DELETE'])
    expect(new Set(commit.map(({ ts }) => ts)).size).toBe(1)
  })

  test('a pipeline within a transaction sees its writes', async ({ db }) => {
    const accounts = db.collection<Account>('accounts')
    await accounts.createMany([{ $id: 'a', owner: 'Ada', balance: 10 }, { $id: 'b', owner: 'Bob', balance: 5 }])
    const sums = await db.transaction(async (tx) => {
      const own = tx.collection<Account>('accounts')
      await own.update('a', { $inc: { balance: 100 } })
      return own.aggregate<{ sum: number }>([{ $group: { _id: null, sum: { $sum: '$balance' } } }]).toArray()
    })
    expect(sums).toEqual([{ _id: null, sum: 115 }])
    expect((await accounts.get('a'))?.balance).toBe(110)
  })

  test('a throw rolls back and is thrown on as it is', async ({ db }) => {
    const reason = new Error('no')
    const accounts = db.collection<Account>('accounts')
    await db
      .transaction(async (tx) => {
        await tx.collection<Account>('accounts').create({ $id: 'a', owner: 'Ada', balance: 1 })
        throw reason
      })
      .then(
        () => expect('resolved').toBe('rejected'),
        (error: unknown) => expect(error === reason).toBe(true),
      )
    expect(await accounts.count()).toBe(0)
    expect(await lastSeq(db)).toBe(0)
  })

  test('a transaction reads its own writes, and nobody else does', async ({ db }) => {
    const outside = db.collection<Account>('accounts')
    await outside.createMany([{ $id: 'b', owner: 'Bob', balance: 2 }, { $id: 'd', owner: 'Dan', balance: 4 }])
    await db.transaction(async (tx) => {
      const inside = tx.collection<Account>('accounts')
      await inside.createMany([{ $id: 'a', owner: 'Ada', balance: 1 }, { $id: 'c', owner: 'Cyd', balance: 3 }, { $id: 'e', owner: 'Eve', balance: 5 }])
      await inside.update('b', { $inc: { balance: 20 } })
      await inside.delete('d')
      expect((await inside.find().toArray()).map(({ owner, balance }) => [owner, balance])).toEqual([['Ada', 1], ['Bob', 22], ['Cyd', 3], ['Eve', 5]])
      expect((await inside.find({ balance: { $gt: 2 } }, { sort: { balance: -1 }, limit: 2 }).toArray()).map(({ owner }) => owner)).toEqual(['Bob', 'Eve'])
      expect((await inside.find({ $id: { $gte: 'b', $lt: 'd' } }).toArray()).length).toBe(2)
      expect((await inside.get('b'))?.version).toBe(2)
      expect(await inside.count()).toBe(4)
      expect(await inside.exists('d')).toBe(false)
      expect(await inside.get('b', { asOf: 1 })).toEqual(await outside.get('b'))
      expect(await outside.count()).toBe(2)
      expect(await codeOf(() => inside.create({ $id: 'a', owner: 'X', balance: 0 }))).toBe('ALREADY_EXISTS')
    })
    expect(await outside.count()).toBe(4)
  })

  test('what is deleted and restored within a transaction is as it was last within it', async ({ db }) => {
    await db.collection<Account>('accounts').create({ $id: 'a', owner: 'Ada', balance: 1 })
    await db.transaction(async (tx) => {
      const inside = tx.collection<Account>('accounts')
      await inside.update('a', { $set: { balance: 2 } })
      await inside.delete('a')
      expect((await inside.restore('a')).balance).toBe(2)
      expect(await inside.updateMany({ balance: 2 }, { $set: { balance: 3 } })).toEqual({ matchedCount: 1, modifiedCount: 1 })
      expect((await inside.findOneAndUpdate({ balance: 3 }, { $inc: { balance: 1 } }))?.balance).toBe(3)
    })
    expect(timeless(await db.collection<Account>('accounts').get('a'))).toEqual({ $id: 'accounts/a', version: 6, owner: 'Ada', balance: 4 })
  })

  test('a failed write inside a transaction leaves no trace when the callback goes on', async ({ db }) => {
    await db.transaction(async (tx) => {
      const inside = tx.collection<Account>('accounts')
      await inside.create({ $id: 'a', owner: 'Ada', balance: 1 })
      expect(await codeOf(() => inside.createMany([{ $id: 'b', owner: 'Bob', balance: 2 }, { $id: 'a', owner: 'X', balance: 0 }]))).toBe('ALREADY_EXISTS')
    })
    expect((await db.collection('accounts').find().toArray()).map(({ $id }) => $id)).toEqual(['accounts/a'])
  })

  test('concurrent transfers keep the sum, and readers always see it', async ({ db }) => {
    const accounts = db.collection<Account>('accounts')
    await accounts.createMany(Array.from({ length: 4 }, (_, index) => ({ $id: `a${index}`, owner: `o${index}`, balance: 100 })))
    const sum = async (collection: DatabaseCollection<Account>): Promise<number> => (await collection.find().toArray()).reduce((total, { balance }) => total + balance, 0)
    const transfer = (from: string, to: string): Promise<void> =>
      db.transaction(
        async (tx) => {
          const inside = tx.collection<Account>('accounts')
          const source = await inside.get(from)
          if ((source?.balance ?? 0) < 7) return
          await inside.update(from, { $inc: { balance: -7 } })
          await inside.update(to, { $inc: { balance: 7 } })
        },
        { retries: 100 },
      )
    const sums: number[] = []
    const transfers = Array.from({ length: 40 }, (_, index) => transfer(`a${index % 4}`, `a${(index * 3 + 1) % 4}`))
    for (let round = 0; round < 10; round++) sums.push(await sum(accounts))
    await Promise.all(transfers)
    sums.push(await sum(accounts))
    expect(new Set(sums)).toEqual(new Set([400]))
  })

  test('two transactions that each read what the other writes do not both go through unseen', async ({ db }) => {
    const doctors = db.collection<{ onCall: boolean }>('doctors')
    await doctors.createMany([{ $id: 'a', onCall: true }, { $id: 'b', onCall: true }])
    const leave = (id: string): Promise<boolean> =>
      db.transaction(async (tx) => {
        const inside = tx.collection<{ onCall: boolean }>('doctors')
        if ((await inside.count({ onCall: true })) < 2) return false
        await inside.update(id, { $set: { onCall: false } })
        return true
      })
    const left = await Promise.all([leave('a'), leave('b')])
    expect(left.filter(Boolean).length).toBe(1)
    expect(await doctors.count({ onCall: true })).toBe(1)
  })

  test('a conflict runs the callback again on the newest state, and too many are TRANSACTION_CONFLICT', async ({ db }) => {
    const accounts = db.collection<Account>('accounts')
    await accounts.create({ $id: 'a', owner: 'Ada', balance: 0 })
    const seen: (number | undefined)[] = []
    const meddle = (times: number, retries: number): Promise<void> =>
      db.transaction(
        async (tx) => {
          const inside = tx.collection<Account>('accounts')
          seen.push((await inside.get('a'))?.balance)
          if (seen.length <= times) await accounts.update('a', { $inc: { balance: 1 } })
          await inside.update('a', { $push: { visits: seen.length } } as never)
        },
        { retries },
      )
    await meddle(2, 10)
    expect(seen).toEqual([0, 1, 2])
    seen.length = 0
    expect(await codeOf(() => meddle(99, 2))).toBe('TRANSACTION_CONFLICT')
    expect(seen.length).toBe(3)
    expect((await accounts.get('a'))?.balance).toBe(5)
  })

  test('a transaction that only reads sees one state, and writes nothing', async ({ db }) => {
    const accounts = db.collection<Account>('accounts')
    await accounts.create({ $id: 'a', owner: 'Ada', balance: 0 })
    const balances = await db.transaction(async (tx) => {
      const first = (await tx.collection<Account>('accounts').get('a'))?.balance
      await accounts.update('a', { $inc: { balance: 1 } })
      return [first, (await tx.collection<Account>('accounts').get('a'))?.balance]
    })
    expect(balances).toEqual([0, 0])
    expect(await lastSeq(db)).toBe(2)
  })

  test('a txId that was committed before is not run again', async ({ db, reopen }) => {
    let runs = 0
    const pay = (on: typeof db): Promise<string | undefined> =>
      on.transaction(
        async (tx) => {
          runs += 1
          await tx.collection('payments').create({ $id: 'p1', amount: 5 })
          return 'paid'
        },
        { txId: 'pay-1' },
      )
    expect(await pay(db)).toBe('paid')
    expect(await pay(db)).toBe(undefined)
    const again = await reopen()
    expect(await pay(again)).toBe(undefined)
    expect(runs).toBe(1)
    expect(await again.collection('payments').count()).toBe(1)
  })

  test('a transaction cannot be used after its end, nor end while it writes', async ({ db }) => {
    let kept: DatabaseCollection<Account> | undefined
    await db.transaction(async (tx) => {
      kept = tx.collection<Account>('accounts')
      await kept.create({ $id: 'a', owner: 'Ada', balance: 1 })
    })
    expect(await codeOf(() => kept?.get('a'))).toBe('CLOSED')
    expect(await codeOf(() => kept?.update('a', { $inc: { balance: 1 } }))).toBe('CLOSED')
    // From a data file a state takes longer to come than the callback takes to return.
    await db.flush()
    let forgotten: Promise<unknown> | undefined
    const unawaited = db.transaction(async (tx) => {
      forgotten = codeOf(() => tx.collection<Account>('accounts').update('a', { $inc: { balance: 1 } }))
    })
    expect(await codeOf(() => unawaited)).toBe('INVALID_ARGUMENT')
    expect(await forgotten).toBe('CLOSED')
    expect((await db.collection<Account>('accounts').get('a'))?.balance).toBe(1)
  })

  test('a transaction is bounded', async ({ reopen }) => {
    const db = await reopen({ limits: { transactionEntitiesMax: 3 } })
    const documents = Array.from({ length: 4 }, (_, index) => ({ n: index }))
    expect(await codeOf(() => db.transaction((tx) => tx.collection('a').createMany(documents)))).toBe('LIMIT_EXCEEDED')
    expect(await db.collection('a').count()).toBe(0)
    await db.transaction((tx) => tx.collection('a').createMany(documents.slice(1)))
    expect(await db.collection('a').count()).toBe(3)
  })
}
