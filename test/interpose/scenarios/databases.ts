/** Clients of databases on another host, which is Linux: HOST. REDIS_PORT and POSTGRES_PORT say which there are. */
import { Redis } from 'ioredis'
import pg from 'pg'
import { createClient } from 'redis'
import { HOST, next, runCases } from './runner.js'

const redisPort = Number(process.env['REDIS_PORT'] ?? 0)
const postgresPort = Number(process.env['POSTGRES_PORT'] ?? 0)

const nodeRedisCases = {
  'node-redis: commands that go together, a transaction, large values, an error': async () => {
    const client = createClient({ socket: { host: HOST, port: redisPort } })
    client.on('error', () => undefined)
    await client.connect()
    await client.flushAll()
    const counts = await Promise.all(Array.from({ length: 1_000 }, () => client.incr('counter')))
    const both = await client.multi().set('name', 'tas').get('name').exec()
    const large = 'v'.repeat(2_000_000)
    await client.set('large', large)
    const got = await client.get('large')
    const error = await client.incr('name').catch((problem: unknown) => String(problem))
    await client.close()
    return [counts.at(-1), both, got === large, error]
  },

  'node-redis: publish and subscribe': async () => {
    const subscriber = createClient({ socket: { host: HOST, port: redisPort } })
    const publisher = subscriber.duplicate()
    await Promise.all([subscriber.connect(), publisher.connect()])
    let heard = (_: unknown): void => undefined
    const message = new Promise<unknown>((resolve) => { heard = resolve })
    await subscriber.subscribe('news', (text, channel) => heard([channel, text]))
    // The reply may come after the message, and destroy() refuses what has none.
    await publisher.publish('news', 'extra')
    const seen = await message
    subscriber.destroy()
    publisher.destroy()
    return seen
  },

  'node-redis: reconnects after its connection is killed': async () => {
    const client = createClient({ socket: { host: HOST, port: redisPort, reconnectStrategy: () => 20 } })
    client.on('error', () => undefined)
    await client.connect()
    const id = await client.clientId()
    const again = next(client, 'ready')
    const killer = client.duplicate()
    await killer.connect()
    await killer.sendCommand(['CLIENT', 'KILL', 'ID', String(id)])
    await again
    const pong = await client.ping()
    client.destroy()
    killer.destroy()
    return pong
  },
}

const redisCases = {
  'redis: commands, a pipeline, large values': async () => {
    const redis = new Redis({ host: HOST, port: redisPort })
    await redis.flushall()
    await redis.set('name', 'tas')
    const pipeline = redis.pipeline()
    for (let i = 0; i < 1000; i++) pipeline.incr('counter')
    const results = await pipeline.exec()
    const large = Buffer.alloc(2_000_000, 'v')
    await redis.set('large', large)
    const got = await redis.getBuffer('large')
    const seen = [await redis.get('name'), results?.at(-1)?.[1], got?.equals(large)]
    await redis.quit()
    return seen
  },

  'redis: publish and subscribe': async () => {
    const [subscriber, publisher] = [new Redis({ host: HOST, port: redisPort }), new Redis({ host: HOST, port: redisPort })]
    await subscriber.subscribe('news')
    const message = new Promise((resolve) => subscriber.on('message', (channel, text) => resolve([channel, text])))
    await publisher.publish('news', 'extra')
    const seen = await message
    subscriber.disconnect()
    publisher.disconnect()
    return seen
  },

  'redis: reconnects after its connection is killed': async () => {
    const redis = new Redis({ host: HOST, port: redisPort, retryStrategy: () => 20 })
    redis.on('error', () => undefined)
    const id = await redis.client('ID')
    const again = next(redis, 'ready')
    const killer = new Redis({ host: HOST, port: redisPort })
    await killer.client('KILL', 'ID', id)
    await again
    const pong = await redis.ping()
    redis.disconnect()
    killer.disconnect()
    return pong
  },
}

const postgresCases = {
  'pg: queries, parameters, a pool, an error, large rows': async () => {
    const pool = new pg.Pool({ host: HOST, port: postgresPort, user: 'postgres', database: 'postgres', max: 4 })
    const sums = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      const { rows } = await pool.query<{ sum: number }>('select $1::int + 1 as sum', [i])
      return rows[0].sum
    }))
    const { rows } = await pool.query<{ text: string }>("select repeat('x', 1000000) as text")
    const error = await pool.query('select nonsense').catch((problem: unknown) => (problem as { code?: string }).code)
    await pool.end()
    return [sums, rows[0].text.length, error]
  },
}

await runCases({ ...(redisPort === 0 ? {} : { ...redisCases, ...nodeRedisCases }), ...(postgresPort === 0 ? {} : postgresCases) })
