import { expect, test } from 'vitest'
import { PEER_ADDRESS, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts } from './harness.js'

const CLOSED_PORT = 9
const ERRORS_LAST_SECONDS = 30

describeHosts('opening', {}, hosts => {
  test('host: ping -> every echo answered', async () => {
    const output = await hosts().lab.peer.run('ping', ['-n', '-c', '3', '-i', '0.2', '-W', '2', TAS_ADDRESS])
    expect(output).toMatch(/3 received/)
  })

  test('LISTEN: Linux connects -> both sides agree on addresses and ports', async () => {
    const { tas, peer } = hosts()
    const listener = await tas.listen(5001)
    await peer.call('connect', TAS_ADDRESS, 5001)
    const { connection } = await tas.accept(listener)
    expect(connection.remoteAddress).toBe(PEER_ADDRESS)
    expect(connection.localAddress).toBe(TAS_ADDRESS)
    expect(connection.localPort).toBe(5001)
    expect(connection.mss).toBeGreaterThan(1400)
    expect(connection.mss).toBeLessThanOrEqual(1460)
  })

  test('CLOSED: TAS connects to Linux -> open, bytes go both ways', async () => {
    const { tas, peer } = hosts()
    const port = await peer.call('listen', 0)
    const socket = await tas.connect(PEER_ADDRESS, port)
    expect(socket.opened).toBe(true)
    const remote = await peer.call('accept', port)
    await socket.write(Buffer.from('to Linux'))
    expect(Buffer.from(await peer.call('read', remote, 8)).toString()).toBe('to Linux')
    await peer.call('write', remote, Buffer.from('to TAS'))
    expect((await socket.read(6)).toString()).toBe('to TAS')
  })

  test('CLOSED: TAS connects to a closed port of Linux -> ECONNREFUSED', async () => {
    const socket = await hosts().tas.connect(PEER_ADDRESS, CLOSED_PORT)
    expect(socket.closedCode).toBe('ECONNREFUSED')
  })

  test('CLOSED: Linux connects to a closed port of TAS -> ECONNREFUSED', async () => {
    await expect(hosts().peer.call('connect', TAS_ADDRESS, CLOSED_PORT)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('LISTEN: closed -> its port refuses, its connections stay', async () => {
    const { tas, peer } = hosts()
    const listener = await tas.listen(5002)
    const remote = await peer.call('connect', TAS_ADDRESS, 5002)
    const socket = await tas.accept(listener)
    listener.close()
    const refused = async (): Promise<string> => peer.call('connect', TAS_ADDRESS, 5002).then(() => '', error => error.code)
    await expect.poll(refused, { timeout: ERRORS_LAST_SECONDS * 1000 }).toBe('ECONNREFUSED')
    await peer.call('write', remote, Buffer.from('still here'))
    expect((await socket.read(10)).toString()).toBe('still here')
  })

  test('LISTEN: port in use -> EADDRINUSE', async () => {
    const { tas } = hosts()
    await tas.listen(5003)
    await expect(tas.listen(5003)).rejects.toThrow('EADDRINUSE')
  })
})
