// SPDX-License-Identifier: MIT
// HlogDump.java - an interval log as the reference implementation reads it: for each interval its tag,
// start and end in ms of the epoch, the largest value, and the count of each value; then the total.
// With --word, a histogram of its own from standard input.

import java.io.File;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Scanner;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.HdrHistogram.HistogramLogReader;

public class HlogDump {
    static void dump(String head, Histogram histogram) {
        StringBuilder line = new StringBuilder(head);
        for (HistogramIterationValue value : histogram.recordedValues())
            line.append(' ').append(histogram.lowestEquivalentValue(value.getValueIteratedTo()))
                .append(':').append(value.getCountAtValueIteratedTo());
        System.out.println(line + " total=" + histogram.getTotalCount());
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("--word")) {
            byte[] bytes = Base64.getDecoder().decode(new Scanner(System.in).next());
            dump("word", Histogram.decodeFromCompressedByteBuffer(ByteBuffer.wrap(bytes), 0));
            return;
        }
        HistogramLogReader reader = new HistogramLogReader(new File(args[0]));
        while (reader.hasNext()) {
            EncodableHistogram next = reader.nextIntervalHistogram();
            if (next == null)
                throw new IllegalStateException("a line that is no interval");
            String tag = next.getTag() == null ? "-" : next.getTag();
            dump(tag + " " + next.getStartTimeStamp() + " " + next.getEndTimeStamp() + " "
                + ((Histogram) next).getMaxValue(), (Histogram) next);
        }
    }
}
