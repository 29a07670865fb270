import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cut, dataFrame, endOf, linked, twoMachines } from '../support/two-machines.ts';

describe('the heartbeat of a link', () => {
  test('two idle ends ask each other about every 5 s, and stay linked', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    const eventsBefore = story.world.eventCount;
    await story.world.advance(600_000);
    assert.deepEqual([near.link.isOpen, far.link.isOpen, near.silent, far.silent], [true, true, 0, 0]);
    assert.ok(
      story.world.eventCount - eventsBefore < (600_000 / 5_000) * 12,
      `${story.world.eventCount - eventsBefore}`,
    );
  });

  test('fault 31: a peer whose power goes is told silent after 7 s and dead after 15 s, when idle', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    story.beta.host.powerOff();
    story.beta.process.die();
    await story.world.advance(6_900);
    assert.deepEqual([near.silent, near.link.isOpen], [0, true]);
    await story.world.advance(200);
    assert.equal(near.silent, 1);
    const tookMs = await endOf(story, near);
    assert.deepEqual([near.end?.code, near.end?.isOurs, near.silent], ['PEER_SILENT', true, 1]);
    assert.match(near.end?.text ?? '', /beta \(10\.0\.0\.2:1801\) for 15\.\d s/);
    assert.ok(Math.abs(tookMs - 7_900) < 200, `${tookMs} ms`);
  });

  test('fault 31: with something unacknowledged it is silent after 4 s and dead after 8 s', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    near.link.expectsAnswers = true;
    story.beta.host.powerOff();
    story.beta.process.die();
    await story.world.advance(3_900);
    assert.equal(near.silent, 0);
    await story.world.advance(200);
    assert.equal(near.silent, 1);
    const tookMs = await endOf(story, near);
    assert.equal(near.end?.code, 'PEER_SILENT');
    assert.ok(tookMs < 4_100, `${tookMs} ms`);
  });

  test('fault 31: what becomes unacknowledged on a link that was idle is asked after at once', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    cut(story, 'both');
    await story.world.advance(4_500);
    near.link.expectsAnswers = true;
    near.link.send(dataFrame(1, 100));
    await story.world.advance(2_100);
    assert.equal(near.silent, 1);
    assert.ok((await endOf(story, near)) < 4_100);
  });

  test('fault 32: an idle mapping that a router forgot is found by the heartbeat', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    await story.world.advance(3_600_000);
    cut(story, 'both');
    assert.ok((await endOf(story, near)) <= 15_100);
    assert.ok((await endOf(story, far)) <= 5_100);
    assert.deepEqual([near.end?.code, far.end?.code], ['PEER_SILENT', 'PEER_SILENT']);
  });

  test('fault 30: when only the way there is cut, both ends find out within 15 s by the silence of the other', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.expectsAnswers = true;
    cut(story, 'there');
    await story.world.advance(15_200);
    assert.deepEqual([near.end?.code, far.end?.code], ['PEER_SILENT', 'PEER_SILENT']);
  });

  test('fault 30: when only the way back is cut, one end hears nothing and the other hears that it left', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.expectsAnswers = true;
    cut(story, 'back');
    await story.world.advance(15_200);
    assert.deepEqual([near.end?.code, far.end?.code], ['PEER_SILENT', 'ENDED']);
    assert.match(far.end?.text ?? '', /alpha .*closed the connection without a word/);
  });

  test('fault 29: a cut of a second is not noticed', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.expectsAnswers = true;
    cut(story, 'both');
    await story.world.advance(1_000);
    story.internet.healAll();
    await story.world.advance(30_000);
    assert.deepEqual([near.link.isOpen, far.link.isOpen, near.silent], [true, true, 0]);
  });

  test('fault 33: a receiver on a line of 16 KiB a second is slow and not dead, however large the frame', async () => {
    const story = twoMachines();
    story.internet.manners.cutRate = 1;
    const { near, far } = await linked(story);
    story.internet.way(story.alpha.host, story.beta.host).bytesPerMs = 0.5;
    near.link.expectsAnswers = true;
    near.link.send(dataFrame(1, 600_000));
    const startMs = story.world.nowMs;
    await story.world.run(startMs + 400_000, () => far.frames.length > 0);
    assert.ok(story.world.nowMs - startMs > 20_000, `it took ${story.world.nowMs - startMs} ms`);
    assert.deepEqual([near.link.isOpen, far.link.isOpen, near.silent, far.silent], [true, true, 0, 0]);
  });

  test('fault 15: an end that does not read for a minute, its disk standing still, is taken for dead by nobody', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.expectsAnswers = true;
    far.link.pauseReading();
    for (let seq = 1; seq <= 40; seq++) near.link.send(dataFrame(seq, 20_000));
    await story.world.advance(60_000);
    assert.deepEqual([near.link.isOpen, far.link.isOpen, near.silent, far.silent], [true, true, 0, 0]);
    const before = far.frames.length;
    far.link.resumeReading();
    await story.world.advance(1_000);
    assert.equal(before, 0);
    assert.deepEqual(
      far.frames.map((frame) => frame.type === 'data' && frame.firstSeq),
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  test('an end that went on after a pause finds a peer that died meanwhile', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    far.link.pauseReading();
    cut(story, 'both');
    await story.world.advance(60_000);
    assert.equal(far.link.isOpen, true);
    far.link.resumeReading();
    assert.ok((await endOf(story, far)) < 15_200);
    assert.equal(near.end?.code, 'PEER_SILENT');
  });

  test('a process that was held up itself does not take that for the silence of its peer', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    near.link.expectsAnswers = true;
    story.alpha.process.pause();
    await story.world.advance(6_500);
    story.alpha.process.resume();
    await story.world.advance(20_000);
    assert.deepEqual([near.link.isOpen, near.silent], [true, 0]);
  });

  test('a peer that is held up for 5 s is told silent and lives on', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.expectsAnswers = true;
    story.beta.process.pause();
    await story.world.advance(6_000);
    assert.equal(near.silent, 1);
    story.beta.process.resume();
    await story.world.advance(30_000);
    assert.deepEqual([near.link.isOpen, far.link.isOpen, near.silent], [true, true, 1]);
  });
});
