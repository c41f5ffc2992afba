import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Acts on every final answer, in plain Java: the committed schemas, no registry, nothing of ours.
 *
 * <pre>
 * mvn -q dependency:copy-dependencies -DoutputDirectory=lib        # once
 * java -cp 'lib/*' ResolvedConsumer.java localhost:9092 ../../schemas/history [topic] [how many, then end]
 * </pre>
 */
public class ResolvedConsumer {
    public static void main(String[] args) throws Exception {
        String topic = args.length > 2 ? args[2] : "decisions.resolved";
        long most = args.length > 3 ? Long.parseLong(args[3]) : Long.MAX_VALUE;
        BinaryMessageDecoder<GenericRecord> decoder = decoder(Path.of(args[1]), "DecisionResolved");

        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", "java-example");
        settings.put("isolation.level", "read_committed"); // records of aborted transactions are in the log, too
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        long seen = 0;
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (seen < most) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    act(record.key(), decoder.decode(ByteBuffer.wrap(record.value())));
                    seen++;
                }
                consumer.commitSync(); // after it was acted on: a crash repeats, resolution_id tells
            }
        }
    }

    /** Here your system acts. It must recognise a resolution_id that it has seen before. */
    static void act(String decisionId, GenericRecord event) {
        GenericRecord resolution = (GenericRecord) event.get("resolution");
        GenericRecord routed = (GenericRecord) event.get("routed");
        GenericRecord decision = (GenericRecord) ((GenericRecord) routed.get("scored")).get("decision");
        System.out.printf("%s %s %s by %s, resolution %s, facts %s, changes %s%n",
                decisionId, decision.get("decision_type"), resolution.get("action"), resolution.get("decided_by"),
                resolution.get("resolution_id"), decision.get("facts"), resolution.get("changes"));
    }

    /** Reads every committed version of an event as its newest: the frame says which one a record has. */
    static BinaryMessageDecoder<GenericRecord> decoder(Path folder, String event) throws IOException {
        Map<Integer, Schema> versions = new LinkedHashMap<>();
        for (int version = 1; Files.exists(folder.resolve(event + "." + version + ".avsc")); version++) {
            Path file = folder.resolve(event + "." + version + ".avsc");
            versions.put(version, new Schema.Parser().parse(file.toFile()));
        }
        Schema newest = versions.get(versions.size());
        var decoder = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), newest);
        versions.values().forEach(decoder::addSchema);
        return decoder;
    }
}
